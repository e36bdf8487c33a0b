/* The calls by which a process changes a disk, counted below a folder; the chosen one is refused.
 *
 * Preloaded before the C library (LD_PRELOAD), so that nothing that writes can get around it:
 * Python's files, the os module, zarr's threads, C++ libraries. Armed by disk_arm, or from the
 * start by the environment: DISK_FAULT="number errno sticky kinds folder".
 */
#define _GNU_SOURCE
#undef _FORTIFY_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum { WRITE = 1, FSYNC = 2, LINK = 4, RENAME = 8, MKDIR = 16, UNLINK = 32, CREATE = 64 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char folder[PATH_MAX];
static size_t folder_length;
static long left = -1, seen;
static int number, sticky, kinds, hit;
static char first[PATH_MAX + 32];

static const char *name_of(int kind)
{
    switch (kind) {
    case WRITE: return "write";
    case FSYNC: return "fsync";
    case LINK: return "link";
    case RENAME: return "rename";
    case MKDIR: return "mkdir";
    case UNLINK: return "unlink";
    default: return "create";
    }
}

void disk_arm(const char *root, long at, int error, int stays, int which)
{
    pthread_mutex_lock(&lock);
    strncpy(folder, root, sizeof folder - 1);
    folder_length = strlen(folder);
    left = at, number = error, sticky = stays, kinds = which;
    seen = hit = 0;
    first[0] = 0;
    pthread_mutex_unlock(&lock);
}

void disk_disarm(void) { folder_length = 0; }
long disk_count(void) { return seen; }
const char *disk_hit(void) { return first; }

__attribute__((constructor)) static void from_environment(void)
{
    const char *text = getenv("DISK_FAULT");
    static char root[PATH_MAX];
    long at;
    int error, stays, which;
    if (text && sscanf(text, "%ld %d %d %d %4095s", &at, &error, &stays, &which, root) == 5)
        disk_arm(root, at, error, stays, which);
}

static int refuse(int kind, const char *path)
{
    int refused = 0;
    if (!folder_length || !(kind & kinds) || strncmp(path, folder, folder_length))
        return 0;
    pthread_mutex_lock(&lock);
    if (seen++ == left || (sticky && hit)) {
        refused = 1;
        if (!hit++)
            snprintf(first, sizeof first, "%s %s", name_of(kind), path);
    }
    pthread_mutex_unlock(&lock);
    if (refused)
        errno = number;
    return refused;
}

static int refuse_fd(int kind, int fd)
{
    char link_path[64], path[PATH_MAX];
    ssize_t length;
    if (!folder_length)
        return 0;
    snprintf(link_path, sizeof link_path, "/proc/self/fd/%d", fd);
    length = readlink(link_path, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return refuse(kind, path);
}

static int refuse_at(int kind, int dir, const char *name)
{
    char link_path[64], path[2 * PATH_MAX];
    ssize_t length;
    if (!folder_length)
        return 0;
    if (name[0] == '/')
        return refuse(kind, name);
    if (dir == AT_FDCWD)
        return 0;
    snprintf(link_path, sizeof link_path, "/proc/self/fd/%d", dir);
    length = readlink(link_path, path, PATH_MAX - 1);
    if (length < 0)
        return 0;
    snprintf(path + length, PATH_MAX, "/%s", name);
    return refuse(kind, path);
}

#define REAL(name, result, ...) \
    static result (*real)(__VA_ARGS__); \
    if (!real) \
        real = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *data, size_t size)
{
    REAL(write, ssize_t, int, const void *, size_t);
    if (refuse_fd(WRITE, fd)) {
        /* a disk that is full has taken a part */
        if (size > 1 && real(fd, data, size / 2) < 0)
            return -1;
        errno = number;
        return -1;
    }
    return real(fd, data, size);
}

int fsync(int fd)
{
    REAL(fsync, int, int);
    return refuse_fd(FSYNC, fd) ? -1 : real(fd);
}

int link(const char *from, const char *to)
{
    REAL(link, int, const char *, const char *);
    return refuse(LINK, to) ? -1 : real(from, to);
}

int linkat(int a, const char *from, int b, const char *to, int flags)
{
    REAL(linkat, int, int, const char *, int, const char *, int);
    return refuse_at(LINK, b, to) ? -1 : real(a, from, b, to, flags);
}

int rename(const char *from, const char *to)
{
    REAL(rename, int, const char *, const char *);
    return refuse(RENAME, to) ? -1 : real(from, to);
}

int renameat(int a, const char *from, int b, const char *to)
{
    REAL(renameat, int, int, const char *, int, const char *);
    return refuse_at(RENAME, b, to) ? -1 : real(a, from, b, to);
}

int mkdir(const char *path, mode_t mode)
{
    REAL(mkdir, int, const char *, mode_t);
    return refuse(MKDIR, path) ? -1 : real(path, mode);
}

int unlink(const char *path)
{
    REAL(unlink, int, const char *);
    return refuse(UNLINK, path) ? -1 : real(path);
}

int unlinkat(int dir, const char *path, int flags)
{
    REAL(unlinkat, int, int, const char *, int);
    return refuse_at(UNLINK, dir, path) ? -1 : real(dir, path, flags);
}

int rmdir(const char *path)
{
    REAL(rmdir, int, const char *);
    return refuse(UNLINK, path) ? -1 : real(path);
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) \
    { \
        REAL(name, int, const char *, int, ...); \
        va_list rest; \
        mode_t mode; \
        va_start(rest, flags); \
        mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        if (flags & O_CREAT && refuse(CREATE, path)) \
            return -1; \
        return real(path, flags, mode); \
    }

OPEN(open)
OPEN(open64)

#define OPENAT(name) \
    int name(int dir, const char *path, int flags, ...) \
    { \
        REAL(name, int, int, const char *, int, ...); \
        va_list rest; \
        mode_t mode; \
        va_start(rest, flags); \
        mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        if (flags & O_CREAT && refuse_at(CREATE, dir, path)) \
            return -1; \
        return real(dir, path, flags, mode); \
    }

OPENAT(openat)
OPENAT(openat64)
