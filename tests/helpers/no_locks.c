/* A file system without locks, for the processes that load this library with LD_PRELOAD.

   Below the folder in NO_LOCKS, flock answers with the error number in NO_LOCKS_ERRNO, and so do the
   locks of fcntl unless ONLY_FLOCK is set; with 0, they are given to everybody. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static int is_below(int descriptor) {
    const char *folder = getenv("NO_LOCKS");
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    return folder && length > 0 && !strncmp(path, folder, strlen(folder));
}

static int answer(void) {
    errno = atoi(getenv("NO_LOCKS_ERRNO"));
    return errno ? -1 : 0;
}

int flock(int descriptor, int operation) {
    int (*next)(int, int) = (int (*)(int, int))dlsym(RTLD_NEXT, "flock");
    return is_below(descriptor) ? answer() : next(descriptor, operation);
}

static int locks(const char *name, int descriptor, int command, void *argument) {
    int (*next)(int, int, ...) = (int (*)(int, int, ...))dlsym(RTLD_NEXT, name);
    int is_lock = (command == F_SETLK || command == F_SETLKW) && !getenv("ONLY_FLOCK");
    return is_lock && is_below(descriptor) ? answer() : next(descriptor, command, argument);
}

int fcntl(int descriptor, int command, ...) {
    va_list rest;
    va_start(rest, command);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    return locks("fcntl", descriptor, command, argument);
}

int fcntl64(int descriptor, int command, ...) {
    va_list rest;
    va_start(rest, command);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    return locks("fcntl64", descriptor, command, argument);
}
