/* Everything that a caller can do wrong and that a library can see: each case names the status that it must give, and that there is
 * a text. Run under valgrind, which sees what the library does not. Built against the library with the feature test-panic.
 *
 *     abuse MODEL.bnet GRAPH.bnet
 *
 * MODEL takes pictures of digits, GRAPH is tests/golden/graph/net.bnet.
 */
#include <bernet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bernet_status bernet_test_panic(void);

static int cases, failures;

static void expect(int line, const char *what, bernet_status found, bernet_status expected, const char *text) {
    cases++;
    const char *said = bernet_last_error();
    if (found != expected || (text && !strstr(said, text))) {
        failures++;
        printf("line %d: %s: expected %d with \"%s\", found %d with \"%s\"\n", line, what, expected, text ? text : "", found, said);
    }
}

#define EXPECT(status, text, call) expect(__LINE__, #call, call, status, text)
#define CHECK(condition) expect(__LINE__, #condition, (condition) ? BERNET_OK : BERNET_INTERNAL, BERNET_OK, NULL)

enum { IMAGES = 4, ROUNDS = 20, THREADS = 4 };

struct work {
    bernet_session *session;
    const uint8_t *grey;
    size_t bytes;
    int32_t expected[IMAGES * 10];
    int wrong;
};

/* Half of the calls are right, half are wrong, so that texts are made in every thread. */
static void *at_work(void *argument) {
    struct work *work = argument;
    for (int round = 0; round < ROUNDS; round++) {
        int32_t logits[IMAGES * 10];
        work->wrong += bernet_session_logits(work->session, work->grey, work->bytes, logits, IMAGES * 10) != BERNET_OK ||
                       memcmp(logits, work->expected, sizeof logits);
        work->wrong += bernet_session_logits(work->session, work->grey, work->bytes, logits, IMAGES * 10 + round + 1) != BERNET_SIZE;
        char text[32];
        snprintf(text, sizeof text, "found %d", IMAGES * 10 + round + 1);
        work->wrong += !strstr(bernet_last_error(), text);
    }
    return NULL;
}

/* Until somebody else frees it, the session works; from then on it is no session. */
static void *until_freed(void *argument) {
    struct work *work = argument;
    bernet_status status;
    int32_t logits[IMAGES * 10];
    while ((status = bernet_session_logits(work->session, work->grey, work->bytes, logits, IMAGES * 10)) == BERNET_OK)
        work->wrong += memcmp(logits, work->expected, sizeof logits) != 0;
    work->wrong += status != BERNET_HANDLE;
    return NULL;
}

static void *first_error_of_a_thread(void *argument) {
    *(int *)argument = bernet_last_error()[0] != 0;
    return NULL;
}

enum { ITEMS = 2, INPUTS = 4, OUTPUTS = 4 };

/* A net of several inputs and outputs of every type: what it has, and runs on buffers. */
static void graphs(const char *path) {
    bernet_model *model = NULL;
    bernet_session *session = NULL;
    bernet_description has;
    bernet_tensor tensor;
    bernet_input picture;
    char text[64];
    EXPECT(BERNET_OK, NULL, bernet_model_read(path, &model));
    EXPECT(BERNET_OK, NULL, bernet_session_new(model, NULL, 1, &session));

    EXPECT(BERNET_OK, NULL, bernet_model_describe(model, &has));
    CHECK(has.inputs == INPUTS && has.outputs == OUTPUTS && has.metadata == 2 && has.nodes > 8);
    EXPECT(BERNET_POINTER, "description: it is null", bernet_model_describe(model, NULL));
    EXPECT(BERNET_POINTER, "model: it is null", bernet_model_describe(NULL, &has));
    EXPECT(BERNET_HANDLE, "not one of a model", bernet_model_describe((bernet_model *)session, &has));
    EXPECT(BERNET_POINTER, "tensor: it is null", bernet_model_tensor(model, BERNET_INPUT, 0, NULL));
    EXPECT(BERNET_ARGUMENT, "index: expected 0 to 3, found 4", bernet_model_tensor(model, BERNET_INPUT, 4, &tensor));
    EXPECT(BERNET_ARGUMENT, "index", bernet_model_tensor(model, BERNET_OUTPUT, (size_t)-1, &tensor));
    EXPECT(BERNET_ARGUMENT, "side", bernet_model_tensor(model, 2, 0, &tensor));
    EXPECT(BERNET_ARGUMENT, "side", bernet_model_tensor(model, -1, 0, &tensor));
    EXPECT(BERNET_ARGUMENT, "index", bernet_model_tensor_name(model, BERNET_OUTPUT, 4, text, sizeof text, NULL));
    EXPECT(BERNET_SIZE, "room for 5 bytes", bernet_model_tensor_name(model, BERNET_INPUT, 1, text, 4, NULL));
    EXPECT(BERNET_OK, NULL, bernet_model_tensor_name(model, BERNET_INPUT, 1, text, 5, NULL));
    CHECK(!strcmp(text, "gate"));
    EXPECT(BERNET_OK, NULL, bernet_model_metadata_key(model, 1, text, sizeof text, NULL));
    CHECK(!strcmp(text, "licence"));
    EXPECT(BERNET_ARGUMENT, "index: expected 0 to 1, found 2", bernet_model_metadata_key(model, 2, text, sizeof text, NULL));
    EXPECT(BERNET_POINTER, "text: it is null", bernet_model_metadata_key(model, 0, NULL, 99, NULL));
    const size_t kinds[] = {BERNET_F32, BERNET_BIT, BERNET_U8, BERNET_I32}, sizes[] = {6 * 5 * 3 * 4, 8, 8, 4};
    bernet_input_buffer inputs[INPUTS];
    for (size_t index = 0; index < INPUTS; index++) {
        EXPECT(BERNET_OK, NULL, bernet_model_tensor(model, BERNET_INPUT, index, &tensor));
        CHECK((size_t)tensor.kind == kinds[index] && tensor.item_bytes == sizes[index] && tensor.batch == 1);
        inputs[index] = (bernet_input_buffer){calloc(ITEMS, tensor.item_bytes), ITEMS * tensor.item_bytes};
    }
    EXPECT(BERNET_OK, NULL, bernet_model_tensor(model, BERNET_INPUT, 0, &tensor));
    CHECK(tensor.axes == 3 && tensor.array[0] == 3 && tensor.array[1] == 6 && tensor.order[0] == 1 && tensor.order[2] == 0);
    bernet_output_buffer outputs[OUTPUTS];
    for (size_t index = 0; index < OUTPUTS; index++) {
        EXPECT(BERNET_OK, NULL, bernet_model_tensor(model, BERNET_OUTPUT, index, &tensor));
        outputs[index] = (bernet_output_buffer){calloc(ITEMS, tensor.item_bytes), ITEMS * tensor.item_bytes};
    }

    /* It takes no pictures. */
    EXPECT(BERNET_MODEL, "found 4 and 4; run it on arrays", bernet_model_input(model, &picture));
    EXPECT(BERNET_MODEL, "run it on arrays", bernet_session_classify(session, NULL, 0, NULL, NULL, 0));
    EXPECT(BERNET_MODEL, "run it on arrays", bernet_session_logits(session, NULL, 0, NULL, 0));

    EXPECT(BERNET_OK, NULL, bernet_session_run(session, ITEMS, inputs, INPUTS, outputs, OUTPUTS));
    EXPECT(BERNET_POINTER, "session: it is null", bernet_session_run(NULL, ITEMS, inputs, INPUTS, outputs, OUTPUTS));
    EXPECT(BERNET_HANDLE, NULL, bernet_session_run((bernet_session *)model, ITEMS, inputs, INPUTS, outputs, OUTPUTS));
    EXPECT(BERNET_POINTER, "inputs: it is null", bernet_session_run(session, ITEMS, NULL, INPUTS, outputs, OUTPUTS));
    EXPECT(BERNET_POINTER, "outputs: it is null", bernet_session_run(session, ITEMS, inputs, INPUTS, NULL, OUTPUTS));
    EXPECT(BERNET_SIZE, "expected 4 buffers, found 3", bernet_session_run(session, ITEMS, inputs, INPUTS - 1, outputs, OUTPUTS));
    EXPECT(BERNET_SIZE, "expected 4 buffers, found 0", bernet_session_run(session, ITEMS, inputs, INPUTS, NULL, 0));
    EXPECT(BERNET_SIZE, "inputs", bernet_session_run(session, ITEMS, inputs, (size_t)-1, outputs, OUTPUTS));
    EXPECT(BERNET_SIZE, "inputs[0] (\"x\"): expected 1080 bytes, 360 for each of 3 items, found 720",
           bernet_session_run(session, ITEMS + 1, inputs, INPUTS, outputs, OUTPUTS));
    EXPECT(BERNET_SIZE, "bytes", bernet_session_run(session, (size_t)-1, inputs, INPUTS, outputs, OUTPUTS));
    EXPECT(BERNET_SIZE, "bytes", bernet_session_run(session, 0, inputs, INPUTS, outputs, OUTPUTS));
    bernet_input_buffer good = inputs[0];
    inputs[0].data = NULL;
    EXPECT(BERNET_POINTER, "inputs[0] (\"x\"): it is null", bernet_session_run(session, ITEMS, inputs, INPUTS, outputs, OUTPUTS));
    inputs[0].data = (const char *)good.data + 2;
    EXPECT(BERNET_POINTER, "aligned", bernet_session_run(session, ITEMS, inputs, INPUTS, outputs, OUTPUTS));
    inputs[0] = good;
    good = inputs[1];
    inputs[1].data = (const char *)good.data + 4;
    EXPECT(BERNET_POINTER, "aligned to 8 bytes", bernet_session_run(session, ITEMS, inputs, INPUTS, outputs, OUTPUTS));
    inputs[1] = good;
    ((uint64_t *)good.data)[1] = 1 << 8;
    EXPECT(BERNET_ARGUMENT, "line 1 has a bit set after its last", bernet_session_run(session, ITEMS, inputs, INPUTS, outputs, OUTPUTS));
    ((uint64_t *)good.data)[1] = 1 << 7;
    EXPECT(BERNET_OK, NULL, bernet_session_run(session, ITEMS, inputs, INPUTS, outputs, OUTPUTS));
    bernet_output_buffer place = outputs[2];
    outputs[2].data = (char *)inputs[0].data + 8;
    EXPECT(BERNET_POINTER, "it overlaps inputs[0]", bernet_session_run(session, ITEMS, inputs, INPUTS, outputs, OUTPUTS));
    outputs[2].data = outputs[3].data;
    EXPECT(BERNET_POINTER, "it overlaps outputs[2]", bernet_session_run(session, ITEMS, inputs, INPUTS, outputs, OUTPUTS));
    outputs[2] = place;
    EXPECT(BERNET_OK, NULL, bernet_session_run(session, ITEMS, inputs, INPUTS, outputs, OUTPUTS));

    for (size_t index = 0; index < INPUTS; index++) free((void *)inputs[index].data);
    for (size_t index = 0; index < OUTPUTS; index++) free(outputs[index].data);
    EXPECT(BERNET_OK, NULL, bernet_session_free(session));
    EXPECT(BERNET_OK, NULL, bernet_model_free(model));
    EXPECT(BERNET_HANDLE, "was freed", bernet_model_describe(model, &has));
    EXPECT(BERNET_HANDLE, "was freed", bernet_model_tensor(model, BERNET_INPUT, 0, &tensor));
}

int main(int count, char **arguments) {
    if (count != 3) return 2;
    bernet_model *model = NULL, *none = (bernet_model *)1;
    bernet_session *session = NULL, *no_session = (bernet_session *)1;
    bernet_input input;
    FILE *file = fopen(arguments[1], "rb");
    static uint8_t bytes[1 << 16];
    size_t size = file ? fread(bytes, 1, sizeof bytes, file) : 0;
    if (file) fclose(file);

    /* Nothing has gone wrong yet. */
    CHECK(bernet_last_error()[0] == 0);
    CHECK(strlen(bernet_version()) >= 5);

    /* Reading a file. */
    EXPECT(BERNET_POINTER, "path: it is null", bernet_model_read(NULL, &none));
    CHECK(none == NULL);
    EXPECT(BERNET_POINTER, "model: it is null", bernet_model_read(arguments[1], NULL));
    EXPECT(BERNET_POINTER, "null", bernet_model_read(NULL, NULL));
    EXPECT(BERNET_FILE, "/nowhere/net.bnet", bernet_model_read("/nowhere/net.bnet", &none));
    EXPECT(BERNET_FILE, NULL, bernet_model_read("", &none));
    EXPECT(BERNET_FILE, NULL, bernet_model_read("/", &none));
    EXPECT(BERNET_MODEL, "not a .bnet file", bernet_model_read("/dev/null", &none));
    EXPECT(BERNET_MODEL, "not a .bnet file", bernet_model_read("/dev/zero", &none));
    EXPECT(BERNET_FILE, NULL, bernet_model_read("\xff\xfe", &none));
    EXPECT(BERNET_POINTER, "aligned", bernet_model_read(arguments[1], (bernet_model **)((char *)&none + 1)));

    /* Reading bytes. */
    EXPECT(BERNET_POINTER, "bytes: it is null", bernet_model_from_bytes(NULL, 64, &none));
    EXPECT(BERNET_POINTER, "model: it is null", bernet_model_from_bytes(bytes, size, NULL));
    EXPECT(BERNET_MODEL, "not a .bnet file", bernet_model_from_bytes(NULL, 0, &none));
    EXPECT(BERNET_MODEL, NULL, bernet_model_from_bytes(bytes, size - 1, &none));
    EXPECT(BERNET_MODEL, NULL, bernet_model_from_bytes(bytes, 7, &none));
    EXPECT(BERNET_MODEL, NULL, bernet_model_from_bytes(bytes, size + 1, &none));
    EXPECT(BERNET_SIZE, "bytes", bernet_model_from_bytes(bytes, (size_t)-1, &none));
    bytes[size / 2] ^= 4;
    EXPECT(BERNET_MODEL, "damaged", bernet_model_from_bytes(bytes, size, &none));
    bytes[size / 2] ^= 4;
    CHECK(none == NULL);

    /* What works, for what follows. */
    EXPECT(BERNET_OK, NULL, bernet_model_from_bytes(bytes, size, &model));
    EXPECT(BERNET_OK, NULL, bernet_model_input(model, &input));
    CHECK(input.bytes == 28 * 28 && input.classes == 10 && input.channels == 1);
    EXPECT(BERNET_OK, NULL, bernet_session_new(model, NULL, 1, &session));

    /* Models that are none. */
    EXPECT(BERNET_POINTER, "model: it is null", bernet_model_input(NULL, &input));
    EXPECT(BERNET_POINTER, "input: it is null", bernet_model_input(model, NULL));
    EXPECT(BERNET_HANDLE, "not one of a model", bernet_model_input((bernet_model *)&input, &input));
    EXPECT(BERNET_HANDLE, "not one of a model", bernet_model_input((bernet_model *)session, &input));
    EXPECT(BERNET_HANDLE, NULL, bernet_model_input((bernet_model *)(size_t)-1, &input));

    /* Metadata. */
    char text[256];
    size_t length = 0;
    EXPECT(BERNET_POINTER, "key: it is null", bernet_model_metadata(model, NULL, text, sizeof text, &length));
    EXPECT(BERNET_ARGUMENT, "expected one of", bernet_model_metadata(model, "colour", text, sizeof text, &length));
    const char *keys[] = {"method", "seed", "epochs", "net", "configuration", "validation accuracy"}; /* the header's */
    for (int key = 0; key < 6; key++)
        EXPECT(BERNET_SIZE, "room for", bernet_model_metadata(model, keys[key], NULL, 0, NULL));
    EXPECT(BERNET_ARGUMENT, "UTF-8", bernet_model_metadata(model, "\xc3(", text, sizeof text, &length));
    EXPECT(BERNET_SIZE, "room for", bernet_model_metadata(model, "method", NULL, 0, &length));
    CHECK(length == strlen("ste") + 1);
    text[0] = '?';
    EXPECT(BERNET_SIZE, "room for", bernet_model_metadata(model, "method", text, length - 1, NULL));
    CHECK(text[0] == '?');
    EXPECT(BERNET_POINTER, "text: it is null", bernet_model_metadata(model, "method", NULL, 99, NULL));
    EXPECT(BERNET_OK, NULL, bernet_model_metadata(model, "method", text, length, NULL));
    CHECK(!strcmp(text, "ste"));

    /* Sessions that cannot be. */
    EXPECT(BERNET_POINTER, "model: it is null", bernet_session_new(NULL, NULL, 1, &no_session));
    CHECK(no_session == NULL);
    EXPECT(BERNET_POINTER, "session: it is null", bernet_session_new(model, NULL, 1, NULL));
    EXPECT(BERNET_HANDLE, "not one of a model", bernet_session_new((bernet_model *)session, NULL, 1, &no_session));
    EXPECT(BERNET_ARGUMENT, "there is no such level", bernet_session_new(model, "fastest", 1, &no_session));
    EXPECT(BERNET_ARGUMENT, "this CPU does not have it", bernet_session_new(model, "simd128", 1, &no_session));
    EXPECT(BERNET_ARGUMENT, "UTF-8", bernet_session_new(model, "\xff", 1, &no_session));
    EXPECT(BERNET_ARGUMENT, "threads", bernet_session_new(model, NULL, 0, &no_session));
    EXPECT(BERNET_ARGUMENT, "threads", bernet_session_new(model, NULL, (size_t)-1, &no_session));
    EXPECT(BERNET_ARGUMENT, "threads: expected 1 to ", bernet_session_new(model, NULL, 100000, &no_session));
    CHECK(bernet_session_level(NULL) == NULL);
    CHECK(bernet_session_level((bernet_session *)model) == NULL);

    /* Images and results of wrong sizes. On the heap, so that valgrind sees every step beyond. */
    const size_t batch = IMAGES * input.bytes;
    uint8_t *grey = malloc(batch);
    uint32_t *classes = malloc(IMAGES * sizeof *classes);
    int32_t *margins = malloc(IMAGES * sizeof *margins), *logits = malloc(IMAGES * 10 * sizeof *logits);
    double *reals = malloc(IMAGES * 10 * sizeof *reals);
    if (!grey || !classes || !margins || !logits || !reals) return 2;
    for (size_t pixel = 0; pixel < batch; pixel++) grey[pixel] = (uint8_t)(pixel * pixel >> 3);
    EXPECT(BERNET_POINTER, "grey: it is null", bernet_session_classify(session, NULL, batch, classes, margins, IMAGES));
    EXPECT(BERNET_POINTER, "classes", bernet_session_classify(session, grey, batch, NULL, margins, IMAGES));
    EXPECT(BERNET_SIZE, "multiple of 784", bernet_session_classify(session, grey, batch - 1, classes, margins, IMAGES));
    EXPECT(BERNET_SIZE, "multiple of 784", bernet_session_classify(session, grey, 1, classes, margins, 1));
    EXPECT(BERNET_SIZE, "expected 4 values, found 3", bernet_session_classify(session, grey, batch, classes, margins, IMAGES - 1));
    EXPECT(BERNET_SIZE, "expected 4 values, found 5", bernet_session_classify(session, grey, batch, classes, margins, IMAGES + 1));
    EXPECT(BERNET_SIZE, NULL, bernet_session_classify(session, grey, batch, classes, margins, (size_t)-1));
    EXPECT(BERNET_SIZE, NULL, bernet_session_classify(session, grey, (size_t)-784 * 2, classes, margins, IMAGES));
    EXPECT(BERNET_POINTER, "aligned", bernet_session_classify(session, grey, batch, (uint32_t *)((char *)classes + 1), NULL, IMAGES));
    EXPECT(BERNET_POINTER, "aligned", bernet_session_classify(session, grey, batch, classes, (int32_t *)((char *)margins + 2), IMAGES));
    EXPECT(BERNET_POINTER, "session: it is null", bernet_session_classify(NULL, grey, batch, classes, margins, IMAGES));
    EXPECT(BERNET_HANDLE, "not one of a session", bernet_session_classify((bernet_session *)model, grey, batch, classes, margins, IMAGES));
    EXPECT(BERNET_OK, NULL, bernet_session_classify(session, NULL, 0, NULL, NULL, 0));
    EXPECT(BERNET_OK, NULL, bernet_session_classify(session, grey, batch, classes, NULL, IMAGES));
    EXPECT(BERNET_OK, NULL, bernet_session_classify(session, grey, batch, classes, margins, IMAGES));
    EXPECT(BERNET_POINTER, "grey: it is null", bernet_session_logits(session, NULL, batch, logits, IMAGES * 10));
    EXPECT(BERNET_POINTER, "logits", bernet_session_logits(session, grey, batch, NULL, IMAGES * 10));
    EXPECT(BERNET_SIZE, "expected 40 values, found 39", bernet_session_logits(session, grey, batch, logits, IMAGES * 10 - 1));
    EXPECT(BERNET_SIZE, "found 0", bernet_session_logits(session, grey, batch, NULL, 0));
    EXPECT(BERNET_POINTER, "aligned", bernet_session_real_logits(session, grey, batch, (double *)((char *)reals + 4), IMAGES * 10));
    EXPECT(BERNET_SIZE, "multiple of 784", bernet_session_real_logits(session, grey, 783, reals, 10));
    EXPECT(BERNET_OK, NULL, bernet_session_logits(session, grey, batch, logits, IMAGES * 10));
    EXPECT(BERNET_OK, NULL, bernet_session_real_logits(session, grey, batch, reals, IMAGES * 10));
    for (int image = 0; image < IMAGES; image++) {
        for (int class = 0; class < 10; class++) {
            CHECK(reals[image * 10 + class] == logits[image * 10 + class]);
            CHECK(logits[image * 10 + (int)classes[image]] >= logits[image * 10 + class]);
        }
    }

    /* A panic inside: what was there before is there afterwards. */
    EXPECT(BERNET_INTERNAL, "asked for", bernet_test_panic());
    EXPECT(BERNET_OK, NULL, bernet_session_logits(session, grey, batch, logits, IMAGES * 10));

    /* A model ends: its sessions go on, it does not. */
    EXPECT(BERNET_OK, NULL, bernet_model_free(model));
    EXPECT(BERNET_HANDLE, "was freed", bernet_model_free(model));
    EXPECT(BERNET_HANDLE, "was freed", bernet_model_input(model, &input));
    EXPECT(BERNET_HANDLE, "was freed", bernet_session_new(model, NULL, 1, &no_session));
    EXPECT(BERNET_HANDLE, NULL, bernet_model_free((bernet_model *)session));
    EXPECT(BERNET_HANDLE, NULL, bernet_model_free((bernet_model *)text));
    EXPECT(BERNET_OK, NULL, bernet_model_free(NULL));
    EXPECT(BERNET_OK, NULL, bernet_session_logits(session, grey, batch, logits, IMAGES * 10));

    /* Several threads on one session, which has two threads itself or one; texts are each thread's own. */
    int said = 1;
    pthread_t threads[THREADS];
    pthread_create(&threads[0], NULL, first_error_of_a_thread, &said);
    pthread_join(threads[0], NULL);
    CHECK(said == 0);
    struct work works[THREADS];
    for (int at_once = 1; at_once <= 2; at_once++) {
        EXPECT(BERNET_OK, NULL, bernet_model_from_bytes(bytes, size, &model));
        EXPECT(BERNET_OK, NULL, bernet_session_new(model, "portable", (size_t)at_once, &no_session));
        EXPECT(BERNET_OK, NULL, bernet_model_free(model));
        for (int thread = 0; thread < THREADS; thread++) {
            works[thread] = (struct work){.session = no_session, .grey = grey, .bytes = batch};
            memcpy(works[thread].expected, logits, sizeof works[thread].expected);
            pthread_create(&threads[thread], NULL, at_work, &works[thread]);
        }
        for (int thread = 0; thread < THREADS; thread++) {
            pthread_join(threads[thread], NULL);
            CHECK(works[thread].wrong == 0);
        }
        /* And one that is freed while others are at work with it. */
        for (int thread = 0; thread < THREADS; thread++)
            pthread_create(&threads[thread], NULL, until_freed, &works[thread]);
        EXPECT(BERNET_OK, NULL, bernet_session_logits(no_session, grey, batch, logits, IMAGES * 10));
        EXPECT(BERNET_OK, NULL, bernet_session_free(no_session));
        for (int thread = 0; thread < THREADS; thread++) {
            pthread_join(threads[thread], NULL);
            CHECK(works[thread].wrong == 0);
        }
    }

    /* A session ends, once. */
    EXPECT(BERNET_OK, NULL, bernet_session_free(session));
    EXPECT(BERNET_HANDLE, "was freed", bernet_session_free(session));
    EXPECT(BERNET_HANDLE, "was freed", bernet_session_logits(session, grey, batch, logits, IMAGES * 10));
    CHECK(bernet_session_level(session) == NULL);
    EXPECT(BERNET_OK, NULL, bernet_session_free(NULL));
    EXPECT(BERNET_HANDLE, NULL, bernet_session_free((bernet_session *)(size_t)1234567));

    graphs(arguments[2]);

    free(reals);
    free(logits);
    free(margins);
    free(classes);
    free(grey);
    printf("%d cases, %d wrong\n", cases, failures);
    return failures != 0;
}
