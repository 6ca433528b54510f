/* Forks processes that have sessions, idle ones and busy ones, and uses, makes and frees sessions in the children: each must give
 * the parent's results. A child that hangs is ended by its alarm, and counted.
 *
 *     fork MODEL.bnet
 */
#define _POSIX_C_SOURCE 200809L
#include <bernet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { IMAGES = 8, PIXELS = 28 * 28, FORKS = 50, BUSY = 3 };

static uint8_t grey[IMAGES * PIXELS];
static int32_t expected[IMAGES * 10];
static bernet_model *model;
static bernet_session *sessions[3];
static atomic_int stop;

/* Whether sessions of 1, 2 and 3 threads give what they gave before the fork; a bit for each that does not. */
static int wrong(void) {
    int wrong = 0;
    for (int index = 0; index < 3; index++) {
        int32_t logits[IMAGES * 10];
        memset(logits, 0, sizeof logits);
        if (bernet_session_logits(sessions[index], grey, sizeof grey, logits, IMAGES * 10) || memcmp(logits, expected, sizeof logits))
            wrong |= 1 << index;
    }
    return wrong;
}

/* What a child does: all sessions of the parent, a new one, and the end of all of them. */
static int child(void) {
    if (wrong()) return 1;
    bernet_session *session;
    uint32_t classes[IMAGES];
    if (bernet_session_new(model, "portable", 2, &session)) return 2;
    if (bernet_session_classify(session, grey, sizeof grey, classes, NULL, IMAGES)) return 3;
    if (bernet_session_free(session)) return 4;
    for (int index = 0; index < 3; index++)
        if (bernet_session_free(sessions[index])) return 5;
    return bernet_model_free(model) ? 6 : 0;
}

/* Forks so often; how many children hung or said that something is wrong. `grandchildren` have children of their own. */
static int forks(int count, int grandchildren) {
    int failures = 0;
    for (int index = 0; index < count; index++) {
        int status;
        pid_t process = fork();
        if (process == 0) {
            alarm(20);
            if (grandchildren && (wrong() || forks(1, 0))) _exit(9);
            _exit(child());
        }
        if (waitpid(process, &status, 0) != process || status) {
            failures++;
            if (WIFSIGNALED(status))
                printf("a child was ended by signal %d%s\n", WTERMSIG(status), WTERMSIG(status) == SIGALRM ? ": it hung" : "");
            else
                printf("a child failed at step %d: %s\n", WEXITSTATUS(status), bernet_last_error());
        }
    }
    return failures;
}

/* Until told otherwise: every session is used, and one is made and freed. */
static void *busy(void *unused) {
    while (!stop) {
        bernet_session *session;
        if (wrong() || bernet_session_new(model, NULL, 2, &session) || bernet_session_free(session)) return &stop;
    }
    return unused;
}

int main(int count, char **arguments) {
    if (count != 2) return 2;
    for (size_t pixel = 0; pixel < sizeof grey; pixel++) grey[pixel] = (uint8_t)(pixel * pixel >> 3);
    if (bernet_model_read(arguments[1], &model)) return puts(bernet_last_error()), 2;
    for (size_t index = 0; index < 3; index++)
        if (bernet_session_new(model, NULL, index + 1, &sessions[index])) return puts(bernet_last_error()), 2;
    /* Sessions that were made and not used yet. */
    int failures = 0;
    if (bernet_session_logits(sessions[0], grey, sizeof grey, expected, IMAGES * 10)) return puts(bernet_last_error()), 2;
    failures += forks(2, 0);
    /* Sessions at rest. */
    if (wrong()) return puts("the parent's results differ"), 1;
    failures += forks(FORKS, 0) + forks(3, 1);
    /* Sessions at work in other threads at the moment of the fork. POSIX promises the child of such a process next to nothing, the C
     * library a heap. A lock that was held is an error after two seconds, which is step 2, 4, 5 or 6 of a child, and no hang. */
    pthread_t threads[BUSY];
    for (int index = 0; index < BUSY; index++) pthread_create(&threads[index], NULL, busy, NULL);
    failures += forks(FORKS, 0);
    stop = 1;
    for (int index = 0; index < BUSY; index++) {
        void *failed;
        pthread_join(threads[index], &failed);
        failures += failed != NULL;
    }
    if (wrong()) failures++;
    printf("%d forks, %d wrong\n", 2 * FORKS + 8, failures);
    return failures != 0;
}
