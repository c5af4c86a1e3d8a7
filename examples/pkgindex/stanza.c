/* Reads Debian control files (deb822(5)), compressed or not.
 *
 * apt keeps package lists plain or compressed, as the machine is set up.  Decompression is left to
 * `apt-helper cat-file`, which knows every form apt itself can write, or to the tool that belongs to the
 * file name's ending; it runs as a child process and we read its pipe, so a list of 50 MB is never in
 * memory as a whole.  Values of one stanza are gathered in one growing buffer; a reader's memory is that
 * of its longest stanza.
 *
 * A broken file ends with one line naming file and line; the caller decides whether that is fatal. */
#define _GNU_SOURCE /* pipe2 */
#include "stanza.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char apt_helper[] = "/usr/lib/apt/apt-helper";

static const char *const field_names[FIELD_COUNT] = {
    [FIELD_PACKAGE] = "Package",
    [FIELD_VERSION] = "Version",
    [FIELD_STATUS] = "Status",
    [FIELD_PROVIDES] = "Provides",
    [FIELD_PRE_DEPENDS] = "Pre-Depends",
    [FIELD_DEPENDS] = "Depends",
    [FIELD_TAG] = "Tag",
    [FIELD_DESCRIPTION] = "Description",
    [FIELD_DESCRIPTION_EN] = "Description-en",
    [FIELD_DESCRIPTION_MD5] = "Description-md5",
};

static bool ends_with(const char *path, const char *ending) {
    const size_t n = strlen(path), m = strlen(ending);
    return n >= m && !strcmp(path + n - m, ending);
}

/* The program that writes the decompressed file to its standard output; NULL: the file is plain. */
static const char *decompressor_of(const char *path) {
    static const char *const tools[][2] = {
        {".lz4", "lz4"}, {".xz", "xz"}, {".gz", "gzip"}, {".bz2", "bzip2"}, {".zst", "zstd"}};
    for (size_t i = 0; i < sizeof tools / sizeof *tools; i++)
        if (ends_with(path, tools[i][0])) return access(apt_helper, X_OK) ? tools[i][1] : apt_helper;
    return NULL;
}

/* Starts `tool` on path, its output going to a pipe; returns the pipe's read end or -1 with errno. */
static int start_decompressor(const char *tool, const char *path, pid_t *pid) {
    const char *by_helper[] = {tool, "cat-file", path, NULL};
    const char *by_tool[] = {tool, "-dc", "--", path, NULL};
    const char **arguments = tool == apt_helper ? by_helper : by_tool;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC)) return -1;

    posix_spawn_file_actions_t actions;
    int err = posix_spawn_file_actions_init(&actions);
    if (!err) {
        err = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (!err) err = posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
        if (!err) err = posix_spawnp(pid, tool, &actions, NULL, (char *const *)arguments, environ);
        posix_spawn_file_actions_destroy(&actions);
    }
    close(ends[1]);
    if (!err) return ends[0];
    close(ends[0]);
    errno = err;
    return -1;
}

bool stanza_open(struct stanza_reader *reader, const char *path) {
    *reader = (struct stanza_reader){.path = path};
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fprintf(stderr, "pkgindex: %s: %s\n", path, strerror(errno));
        return false;
    }
    const char *tool = decompressor_of(path);
    int source = fd;
    if (tool) {
        close(fd);
        source = start_decompressor(tool, path, &reader->decompressor);
        if (source < 0) {
            fprintf(stderr, "pkgindex: %s: cannot run %s: %s\n", path, tool, strerror(errno));
            return false;
        }
    }
    reader->file = fdopen(source, "r");
    if (reader->file) return true;
    fprintf(stderr, "pkgindex: %s: %s\n", path, strerror(errno));
    close(source);
    if (reader->decompressor) waitpid(reader->decompressor, NULL, 0);
    return false;
}

/* Appends bytes to the stanza's text; false: out of memory. */
static bool append(struct stanza_reader *reader, const char *bytes, size_t len) {
    if (reader->text_size - reader->text_len < len) {
        const size_t size = (reader->text_size + len) * 2;
        char *text = realloc(reader->text, size);
        if (!text) return false;
        reader->text = text;
        reader->text_size = size;
    }
    memcpy(reader->text + reader->text_len, bytes, len);
    reader->text_len += len;
    return true;
}

static enum field field_of(const char *name, size_t len) {
    for (int i = 0; i < FIELD_COUNT; i++)
        if (strlen(field_names[i]) == len && !memcmp(field_names[i], name, len)) return (enum field)i;
    return FIELD_COUNT;
}

static int broken(struct stanza_reader *reader, const char *what) {
    reader->broken = true;
    fprintf(stderr, "pkgindex: %s: line %zu: %s\n", reader->path, reader->line_number, what);
    return -1;
}

/* Takes one line into the stanza.  *field is the field that continuation lines belong to. */
static int take_line(struct stanza_reader *reader, const char *line, size_t len, enum field *field) {
    if (line[0] == ' ' || line[0] == '\t') {
        if (*field == FIELD_COUNT) return 1; /* of a field we skip */
        reader->text[reader->text_len - 1] = '\n';
        return append(reader, line + 1, len) ? 1 : broken(reader, "out of memory");
    }
    const char *colon = memchr(line, ':', len);
    if (!colon) return broken(reader, "neither a field nor a continuation");
    *field = field_of(line, (size_t)(colon - line));
    if (*field == FIELD_COUNT) return 1;
    const char *value = colon + 1;
    while (*value == ' ' || *value == '\t') value++;
    reader->start[*field] = reader->text_len + 1;
    const size_t value_len = len - (size_t)(value - line);
    return append(reader, value, value_len + 1) ? 1 : broken(reader, "out of memory");
}

int stanza_next(struct stanza_reader *reader) {
    reader->text_len = 0;
    memset(reader->start, 0, sizeof reader->start);
    enum field field = FIELD_COUNT;
    bool any = false;
    for (;;) {
        errno = 0;
        ssize_t len = getline(&reader->line, &reader->line_size, reader->file);
        if (len < 0) {
            if (ferror(reader->file) || errno == ENOMEM) return broken(reader, strerror(errno));
            return any;
        }
        reader->line_number++;
        while (len > 0 && (reader->line[len - 1] == '\n' || reader->line[len - 1] == '\r'))
            reader->line[--len] = '\0';
        if (memchr(reader->line, '\0', (size_t)len)) return broken(reader, "a NUL byte");
        if (len == 0) {
            if (any) return 1;
            continue;
        }
        any = true;
        if (take_line(reader, reader->line, (size_t)len, &field) < 0) return -1;
    }
}

const char *stanza_get(const struct stanza_reader *reader, enum field field) {
    return reader->start[field] ? reader->text + reader->start[field] - 1 : "";
}

bool stanza_close(struct stanza_reader *reader) {
    int status = 0;
    fclose(reader->file);
    free(reader->line);
    free(reader->text);
    if (!reader->decompressor) return true;
    while (waitpid(reader->decompressor, &status, 0) < 0 && errno == EINTR) {}
    if (reader->broken || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) return true;
    fprintf(stderr, "pkgindex: %s: decompression failed (%s %d)\n", reader->path,
            WIFSIGNALED(status) ? "signal" : "exit code",
            WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return false;
}
