/* Runs a net on arrays of NumPy, and writes what comes out:
 *
 *     run MODEL.bnet X.npy … -- Y.npy …
 *
 * one file for each input and output, in their order, in the axes that the file had which the net came from. */
#include <bernet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *what, const char *why) {
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

static void check(bernet_status status, const char *what) {
    if (status != BERNET_OK) fail(what, bernet_last_error());
}

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size);
    if (!memory) fail("memory", "there is none left");
    return memory;
}

/* What an element of an array takes, and NumPy's name for it. Bits are floats of -1 and +1 there. */
static size_t element(bernet_kind kind) { return kind == BERNET_U8 ? 1 : 4; }
static const char *descr(bernet_kind kind) { return kind == BERNET_U8 ? "|u1" : kind == BERNET_I32 ? "<i4" : "<f4"; }

/* Elements of an item. */
static size_t count(const bernet_tensor *tensor) { return tensor->height * tensor->width * tensor->channels; }

/* Where in an item of the array the element is that an item of the buffer has at a place. */
static size_t in_array(const bernet_tensor *tensor, size_t place) {
    size_t found = 0;
    for (size_t axis = tensor->axes; axis-- > 0;) {
        size_t size = tensor->array[tensor->order[axis]], stride = 1;
        for (size_t after = tensor->order[axis] + 1; after < tensor->axes; after++) stride *= tensor->array[after];
        found += place % size * stride;
        place /= size;
    }
    return found;
}

/* The word and the bit of an element of an item of bits. */
static size_t word(const bernet_tensor *tensor, size_t place, unsigned *bit) {
    size_t line = tensor->width * tensor->channels;
    *bit = (unsigned)(place % line % 64);
    return place / line * ((line + 63) / 64) + place % line / 64;
}

/* Copies items between an array and a buffer. */
static void copy(const bernet_tensor *tensor, size_t items, uint8_t *array, uint8_t *buffer, int to_buffer) {
    size_t size = element(tensor->kind), elements = count(tensor);
    for (size_t item = 0; item < items; item++, array += elements * size, buffer += tensor->item_bytes) {
        for (size_t place = 0; place < elements; place++) {
            uint8_t *value = array + in_array(tensor, place) * size;
            if (tensor->kind == BERNET_BIT) {
                unsigned bit;
                uint64_t *bits = (uint64_t *)(void *)buffer + word(tensor, place, &bit);
                float number;
                if (to_buffer) {
                    memcpy(&number, value, sizeof number);
                    if (number > 0) *bits |= (uint64_t)1 << bit;
                } else {
                    number = *bits >> bit & 1 ? 1.0f : -1.0f;
                    memcpy(value, &number, sizeof number);
                }
            } else if (to_buffer) {
                memcpy(buffer + place * size, value, size);
            } else {
                memcpy(value, buffer + place * size, size);
            }
        }
    }
}

/* The values of a .npy file of whole items, in the axes of the tensor. */
static uint8_t *read_npy(const char *path, const bernet_tensor *tensor, size_t *items) {
    FILE *file = fopen(path, "rb");
    uint8_t beginning[10];
    if (!file || fread(beginning, 1, 10, file) != 10 || memcmp(beginning, "\x93NUMPY\x01", 7)) fail(path, "not a .npy file");
    size_t length = beginning[8] | (size_t)beginning[9] << 8;
    char *header = allocate(length + 1, 1);
    if (fread(header, 1, length, file) != length || !strstr(header, descr(tensor->kind)) || strstr(header, "True"))
        fail(path, "another type or order of values");
    long start = ftell(file);
    fseek(file, 0, SEEK_END);
    size_t bytes = (size_t)(ftell(file) - start), item = count(tensor) * element(tensor->kind);
    if (bytes % item || !strchr(header, '(')) fail(path, "no whole items");
    *items = bytes / item;
    uint8_t *values = allocate(bytes, 1);
    fseek(file, start, SEEK_SET);
    if (fread(values, 1, bytes, file) != bytes) fail(path, "cut short");
    fclose(file);
    free(header);
    return values;
}

static void write_npy(const char *path, const bernet_tensor *tensor, size_t items, const uint8_t *values) {
    char header[1024];
    int length = sprintf(header, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr(tensor->kind));
    if (tensor->batch) length += sprintf(header + length, "%zu,", items);
    for (size_t axis = 0; axis < tensor->axes; axis++)
        length += sprintf(header + length, axis || tensor->batch ? " %zu," : "%zu,", tensor->array[axis]);
    /* NumPy writes the comma of a single size alone. */
    if (tensor->axes + (tensor->batch != 0) > 1) length--;
    length += sprintf(header + length, "), }");
    while ((10 + length + 1) % 64) header[length++] = ' ';
    header[length++] = '\n';
    FILE *file = fopen(path, "wb");
    if (!file) fail(path, "cannot be written");
    uint8_t beginning[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (uint8_t)length, (uint8_t)(length >> 8)};
    size_t bytes = items * count(tensor) * element(tensor->kind);
    if (fwrite(beginning, 1, 10, file) != 10 || fwrite(header, 1, (size_t)length, file) != (size_t)length ||
        fwrite(values, 1, bytes, file) != bytes || fclose(file))
        fail(path, "cannot be written");
}

int main(int arguments, char **argument) {
    bernet_model *model;
    bernet_session *session;
    bernet_description has;
    if (arguments < 2) fail("usage", "run MODEL.bnet X.npy ... -- Y.npy ...");
    check(bernet_model_read(argument[1], &model), "model");
    check(bernet_model_describe(model, &has), "model");
    if ((size_t)arguments != 3 + has.inputs + has.outputs || strcmp(argument[2 + has.inputs], "--")) {
        fprintf(stderr, "the model has %zu inputs and %zu outputs\n", has.inputs, has.outputs);
        return 2;
    }
    check(bernet_session_new(model, NULL, 1, &session), "session");

    bernet_input_buffer *inputs = allocate(has.inputs, sizeof *inputs);
    bernet_output_buffer *outputs = allocate(has.outputs, sizeof *outputs);
    bernet_tensor tensor;
    size_t items = 0;
    for (size_t index = 0; index < has.inputs; index++) {
        size_t found;
        check(bernet_model_tensor(model, BERNET_INPUT, index, &tensor), "input");
        uint8_t *array = read_npy(argument[2 + index], &tensor, &found);
        if (index && found != items) fail(argument[2 + index], "another number of items than the input before it");
        items = found;
        uint8_t *buffer = allocate(items, tensor.item_bytes);
        copy(&tensor, items, array, buffer, 1);
        inputs[index] = (bernet_input_buffer){buffer, items * tensor.item_bytes};
        free(array);
    }
    for (size_t index = 0; index < has.outputs; index++) {
        check(bernet_model_tensor(model, BERNET_OUTPUT, index, &tensor), "output");
        outputs[index] = (bernet_output_buffer){allocate(items, tensor.item_bytes), items * tensor.item_bytes};
    }
    check(bernet_session_run(session, items, inputs, has.inputs, outputs, has.outputs), "run");
    for (size_t index = 0; index < has.outputs; index++) {
        check(bernet_model_tensor(model, BERNET_OUTPUT, index, &tensor), "output");
        uint8_t *array = allocate(items * count(&tensor), element(tensor.kind));
        copy(&tensor, items, array, outputs[index].data, 0);
        write_npy(argument[3 + has.inputs + index], &tensor, items, array);
        char name[256];
        check(bernet_model_tensor_name(model, BERNET_OUTPUT, index, name, sizeof name, NULL), "output");
        printf("%s: %zu items of %zux%zux%zu\n", name, items, tensor.height, tensor.width, tensor.channels);
        free(array);
        free(outputs[index].data);
    }
    for (size_t index = 0; index < has.inputs; index++) free((void *)inputs[index].data);
    free(inputs);
    free(outputs);
    check(bernet_session_free(session), "session");
    check(bernet_model_free(model), "model");
    return 0;
}
