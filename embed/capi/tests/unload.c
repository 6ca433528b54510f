/* Opens and closes the library over and over, while threads that have used it end before and after it is closed.
 *
 *     unload LIBBERNET.SO MODEL.bnet
 */
#define _POSIX_C_SOURCE 200809L
#include <dlfcn.h>
#include <bernet.h>
#include <pthread.h>
#include <stdio.h>

enum { ROUNDS = 100 };

static void *library;
static pthread_barrier_t closed;

/* A function of the library, as C wants it: there is no cast from an object's pointer to a function's. */
#define FUNCTION(name, result, ...) \
    result (*name)(__VA_ARGS__);    \
    *(void **)&name = dlsym(library, #name)

/* A session of two threads is made, used and freed. What is wrong is returned. */
static void *work(void *path) {
    FUNCTION(bernet_model_read, bernet_status, const char *, bernet_model **);
    FUNCTION(bernet_session_new, bernet_status, const bernet_model *, const char *, size_t, bernet_session **);
    FUNCTION(bernet_session_classify, bernet_status, const bernet_session *, const uint8_t *, size_t, uint32_t *, int32_t *, size_t);
    FUNCTION(bernet_session_free, bernet_status, bernet_session *);
    FUNCTION(bernet_model_free, bernet_status, bernet_model *);
    bernet_model *model;
    bernet_session *session;
    uint8_t grey[2 * 28 * 28] = {0};
    uint32_t classes[2];
    if (bernet_model_read(path, &model) || bernet_session_new(model, NULL, 2, &session)) return path;
    if (bernet_session_classify(session, grey, sizeof grey, classes, NULL, 2)) return path;
    if (bernet_session_free(session) || bernet_model_free(model)) return path;
    return NULL;
}

/* The thread outlives the library: what it has to do with it at its end comes afterwards. */
static void *work_and_wait(void *path) {
    void *failed = work(path);
    pthread_barrier_wait(&closed);
    pthread_barrier_wait(&closed);
    return failed;
}

int main(int count, char **arguments) {
    if (count != 3) return 2;
    pthread_barrier_init(&closed, NULL, 2);
    for (int round = 0; round < ROUNDS; round++) {
        pthread_t thread;
        void *failed;
        int outlives = round % 2;
        if (!(library = dlopen(arguments[1], RTLD_NOW))) return puts(dlerror()), 2;
        pthread_create(&thread, NULL, outlives ? work_and_wait : work, arguments[2]);
        if (outlives) {
            pthread_barrier_wait(&closed);
            dlclose(library);
            pthread_barrier_wait(&closed);
        }
        pthread_join(thread, &failed);
        if (!outlives) dlclose(library);
        if (failed) return puts("a call failed"), 1;
    }
    printf("%d times loaded and unloaded\n", ROUNDS);
    return 0;
}
