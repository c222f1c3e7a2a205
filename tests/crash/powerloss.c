/* What a disk is sure to hold: the length of every file at its last successful sync.
 *
 * Preloaded into a process, this writes a line "device inode length" to the file that POWERLOSS_LOG names
 * whenever a file was synced, and with length 0 whenever one was made or emptied. A test kills the process
 * and cuts every file to the last of its lines, which is what a loss of power may leave. The length is taken
 * before the sync: what is written while it runs may not be part of it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static int log_fd = -1;

__attribute__((constructor)) static void start(void) {
    const char *path = getenv("POWERLOSS_LOG");
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    if (path) log_fd = real(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void note(const struct stat *file, long long length) {
    char line[96];
    int size = snprintf(line, sizeof line, "%llu %llu %lld\n", (unsigned long long)file->st_dev,
                        (unsigned long long)file->st_ino, length);
    if (log_fd >= 0 && write(log_fd, line, size) != size) abort();
}

static int synced(int fd, const char *name) {
    struct stat before;
    int (*real)(int) = dlsym(RTLD_NEXT, name);
    int known = fstat(fd, &before) == 0 && S_ISREG(before.st_mode);
    int result = real(fd);
    if (result == 0 && known) note(&before, before.st_size);
    return result;
}

int fsync(int fd) { return synced(fd, "fsync"); }
int fdatasync(int fd) { return synced(fd, "fdatasync"); }

static int opened(int fd, int flags) {
    struct stat file;
    if (fd >= 0 && (flags & (O_CREAT | O_TRUNC)) && fstat(fd, &file) == 0 && S_ISREG(file.st_mode) &&
        file.st_size == 0)
        note(&file, 0);
    return fd;
}

#define MODE(flags)                                  \
    mode_t mode = 0;                                 \
    if ((flags) & (O_CREAT | O_TMPFILE)) {           \
        va_list arguments;                           \
        va_start(arguments, flags);                  \
        mode = (mode_t)va_arg(arguments, unsigned);  \
        va_end(arguments);                           \
    }

#define OPEN(name)                                                          \
    int name(const char *path, int flags, ...) {                            \
        int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, #name);      \
        MODE(flags)                                                         \
        return opened(real(path, flags, mode), flags);                      \
    }

#define OPENAT(name)                                                        \
    int name(int at, const char *path, int flags, ...) {                    \
        int (*real)(int, const char *, int, ...) = dlsym(RTLD_NEXT, #name); \
        MODE(flags)                                                         \
        return opened(real(at, path, flags, mode), flags);                  \
    }

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
