/* target_plain.c - a process that has no maps: it waits for its input to end. */
#include <stdio.h>

int main(void) {
    char line[64];
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        printf("plain\n");
        fflush(stdout);
    }
    return 0;
}
