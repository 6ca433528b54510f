/* Preloaded into the program: the n-th write to a file, or sync of a file or folder, fails. FAIL_CALL is `write` or `fsync`,
   FAIL_NUMBER counts from 1, FAIL_ERRNO is the error. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fails(const char *call) {
    static int calls;
    const char *which = getenv("FAIL_CALL");
    if (which == NULL || strcmp(which, call) != 0)
        return 0;
    if (__atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST) != atoi(getenv("FAIL_NUMBER")))
        return 0;
    errno = atoi(getenv("FAIL_ERRNO"));
    return 1;
}

ssize_t write(int file, const void *bytes, size_t count) {
    struct stat status;
    if (fstat(file, &status) == 0 && S_ISREG(status.st_mode) && fails("write"))
        return -1;
    return ((ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write"))(file, bytes, count);
}

int fsync(int file) {
    return fails("fsync") ? -1 : ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(file);
}
