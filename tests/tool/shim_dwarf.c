/* shim_dwarf.c - a library to preload into mapscope, in place of libdw's first function: what a hostile file might make the
 * parser do.
 *
 *   TK_DWARF=crash   a write to where nothing is
 *   TK_DWARF=lie     bytes in place of a table, and an end as after work well done
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *dwarf_begin_elf(void *elf, int how, void *group);

void *dwarf_begin_elf(void *elf, int how, void *group) {
    static const char bytes[] = "\1mGo\6\0\0\0this is not what a table looks like";
    static int *volatile nowhere;
    const char *what = getenv("TK_DWARF");
    (void)elf, (void)how, (void)group;
    if (what && strcmp(what, "crash") == 0) *nowhere = 0;
    if (what && strcmp(what, "lie") == 0) _exit(write(3, bytes, sizeof bytes) != sizeof bytes);
    return NULL;
}
