/* Stands between the program and the disk in tests: while the file named by DISK_FULL exists, writes
 * fail for want of space; while the one named by DISK_TIGHT exists they fail only as long as the
 * reserve is held; while the one named by DISK_SICK exists, fsync fails. Linux only. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

static int there(const char *variable) {
    const char *path = getenv(variable);
    return path && access(path, F_OK) == 0;
}

#define REAL(type, name, ...) ((type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name))

/* Standard output and error always work, so that the test can report. */
#define FULL(fd) (fd > 2 && (there("DISK_FULL") || (there("DISK_TIGHT") && there("DISK_RESERVE"))))

ssize_t write(int fd, const void *bytes, size_t count) {
    if (FULL(fd)) { errno = ENOSPC; return -1; }
    return REAL(ssize_t, write, int, const void *, size_t)(fd, bytes, count);
}
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
    if (FULL(fd)) { errno = ENOSPC; return -1; }
    return REAL(ssize_t, pwrite, int, const void *, size_t, off_t)(fd, bytes, count, at);
}
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
    if (FULL(fd)) { errno = ENOSPC; return -1; }
    return REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t)(fd, bytes, count, at);
}
int fsync(int fd) {
    if (there("DISK_SICK")) { errno = EIO; return -1; }
    return REAL(int, fsync, int)(fd);
}
int fdatasync(int fd) {
    if (there("DISK_SICK")) { errno = EIO; return -1; }
    return REAL(int, fdatasync, int)(fd);
}
