/* Classifies the images of an IDX file (MNIST's format), and counts how often the labels agree:
 *
 *     classify MODEL.bnet t10k-images-idx3-ubyte t10k-labels-idx1-ubyte [IMAGES]
 */
#include <bernet.h>
#include <stdio.h>
#include <stdlib.h>

static void check(bernet_status status, const char *what) {
    if (status != BERNET_OK) {
        fprintf(stderr, "%s: %s\n", what, bernet_last_error());
        exit(1);
    }
}

/* What follows the head of an IDX file, and how many bytes it is. */
static uint8_t *read_idx(const char *path, size_t head, size_t *length) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) {
        perror(path);
        exit(1);
    }
    long size = ftell(file);
    uint8_t *bytes = malloc(size < 1 ? 1 : (size_t)size);
    rewind(file);
    if (!bytes || size < (long)head || fread(bytes, 1, head, file) != head ||
        fread(bytes, 1, (size_t)size - head, file) != (size_t)size - head) {
        fprintf(stderr, "%s: not an IDX file\n", path);
        exit(1);
    }
    fclose(file);
    *length = (size_t)size - head;
    return bytes;
}

int main(int count, char **arguments) {
    if (count < 4) {
        fprintf(stderr, "usage: %s MODEL IMAGES LABELS [NUMBER]\n", arguments[0]);
        return 2;
    }
    bernet_model *model;
    bernet_session *session;
    bernet_input input;
    check(bernet_model_read(arguments[1], &model), "model");
    check(bernet_model_input(model, &input), "model");
    check(bernet_session_new(model, NULL, 1, &session), "session");
    check(bernet_model_free(model), "model"); /* The session has all that it needs. */

    size_t pixels, images;
    uint8_t *grey = read_idx(arguments[2], 16, &pixels);
    uint8_t *labels = read_idx(arguments[3], 8, &images);
    if (count > 4 && (size_t)atol(arguments[4]) < images) images = (size_t)atol(arguments[4]);
    if (pixels < images * input.bytes) {
        fprintf(stderr, "%s: fewer images than labels\n", arguments[2]);
        return 1;
    }

    uint32_t *classes = malloc(images * sizeof *classes);
    if (!classes) return 1;
    check(bernet_session_classify(session, grey, images * input.bytes, classes, NULL, images), "classify");
    size_t right = 0;
    for (size_t image = 0; image < images; image++) right += classes[image] == labels[image];
    printf("%zu of %zu right, level %s\n", right, images, bernet_session_level(session));

    check(bernet_session_free(session), "session");
    free(classes);
    free(labels);
    free(grey);
    return 0;
}
