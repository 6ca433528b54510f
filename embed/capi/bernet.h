/* bernet: binary neural nets on XNOR-popcount kernels. MIT OR Apache-2.0.
 *
 * Made by cbindgen from the documentation of the sources. Every function that returns a bernet_status leaves a text for
 * bernet_last_error where it is not BERNET_OK. All functions may be called from any thread at any time, and in the child of a
 * fork, which has the parent's models and sessions and makes threads of its own. Handles are numbers
 * that are looked up: one that was freed, freed twice, or made up is an error and not a crash. What no library can see is whether
 * memory is as large as the caller says. */

#ifndef BERNET_H
#define BERNET_H

#include <stddef.h>
#include <stdint.h>

/*
 Most axes of an array: bernet_tensor.array and bernet_tensor.order.
 */
#define BERNET_AXES 16

/*
 How a call ended. What exactly was wrong, bernet_last_error says.
 */
typedef enum {
  /*
   It did what it says.
   */
  BERNET_OK = 0,
  /*
   A pointer that must not be null is null, or does not suit the type that it points to.
   */
  BERNET_POINTER = 1,
  /*
   A handle stands for nothing: it was freed, or never was one of this kind.
   */
  BERNET_HANDLE = 2,
  /*
   A buffer does not have the size that the others ask for.
   */
  BERNET_SIZE = 3,
  /*
   An argument has a value that it cannot have, or a name is not known.
   */
  BERNET_ARGUMENT = 4,
  /*
   The file system refused.
   */
  BERNET_FILE = 5,
  /*
   The bytes are not a model, or not one that can be run.
   */
  BERNET_MODEL = 6,
  /*
   A mistake in the library itself. The process goes on, and so may the caller.
   */
  BERNET_INTERNAL = 7,
} bernet_status;

/*
 The type of the elements of an input or output, and how a buffer holds them.
 */
typedef enum {
  /*
   -1 or +1, packed into words of 64 bits (uint64_t): 1 is +1, the first bit of a word is the lowest. Each line of width *
   channels bits begins with a new word; what its last word has beyond the line is 0.
   */
  BERNET_BIT = 0,
  /*
   uint8_t.
   */
  BERNET_U8 = 1,
  /*
   int32_t.
   */
  BERNET_I32 = 2,
  /*
   float.
   */
  BERNET_F32 = 3,
} bernet_kind;

/*
 Whether an input or an output is meant.
 */
typedef enum {
  /*
   What goes in.
   */
  BERNET_INPUT = 0,
  /*
   What comes out.
   */
  BERNET_OUTPUT = 1,
} bernet_side;

/*
 A net as it was read; see bernet_model_read.
 */
typedef struct bernet_model bernet_model;

/*
 A model that is ready to run; see bernet_session_new. Any number of threads may use one at once: none waits for another.
 */
typedef struct bernet_session bernet_session;

/*
 What a model has.
 */
typedef struct {
  /*
   Inputs, at least 1.
   */
  size_t inputs;
  /*
   Outputs, at least 1.
   */
  size_t outputs;
  /*
   Nodes of the graph.
   */
  size_t nodes;
  /*
   Keys of the metadata.
   */
  size_t metadata;
} bernet_description;

/*
 An input or output of a model: what a buffer holds of one item of a batch, and the array that it was in the file of another
 tool.
 */
typedef struct {
  /*
   The type of the elements.
   */
  bernet_kind kind;
  /*
   Lines. A vector has one line of one pixel.
   */
  size_t height;
  /*
   Pixels a line.
   */
  size_t width;
  /*
   Values a pixel: the axis that runs fastest in a buffer.
   */
  size_t channels;
  /*
   Bytes of one item in a buffer. Items follow each other.
   */
  size_t item_bytes;
  /*
   Axes of the array, without the batch.
   */
  size_t axes;
  /*
   Their sizes. The array's axes in the order `order`, read row by row, are the buffer's item.
   */
  size_t array[BERNET_AXES];
  /*
   Which axis of the array each axis of the reordered one is: 1, 2, 0 for channels first.
   */
  size_t order[BERNET_AXES];
  /*
   1 where the array's first axis is the batch, 0 where it has none.
   */
  int32_t batch;
} bernet_tensor;

/*
 What goes in: items of bernet_tensor.item_bytes each, aligned as their type asks for (8 bytes for bits).
 */
typedef struct {
  /*
   The first item.
   */
  const void *data;
  /*
   Bytes of all items.
   */
  size_t bytes;
} bernet_input_buffer;

/*
 Where an output goes; else as bernet_input_buffer.
 */
typedef struct {
  /*
   The first item.
   */
  void *data;
  /*
   Bytes of all items.
   */
  size_t bytes;
} bernet_output_buffer;

/*
 What a model reads of pictures, and how many classes it tells apart.
 */
typedef struct {
  /*
   Lines an image.
   */
  size_t height;
  /*
   Pixels a line.
   */
  size_t width;
  /*
   Values a pixel.
   */
  size_t channels;
  /*
   Bytes an image: height * width * channels.
   */
  size_t bytes;
  /*
   Classes, each with one logit.
   */
  size_t classes;
} bernet_input;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 The version of the library, as text: "0.1.0". It lives as long as the library is loaded.
 */
const char *bernet_version(void);

/*
 What was wrong with the last call of this thread that failed, in UTF-8; empty if none has. Never null. The text stays where it
 is until another call of the same thread fails, or the thread ends.
 */
const char *bernet_last_error(void);

/*
 Writes to *description how many inputs, outputs, nodes and metadata a model has.

 # Safety
 description leads to a bernet_description.
 */
bernet_status bernet_model_describe(const bernet_model *model, bernet_description *description);

/*
 Writes to *tensor what an input (side BERNET_INPUT) or output (BERNET_OUTPUT) takes; they are counted from 0. An index that is
 not there is BERNET_ARGUMENT.

 # Safety
 tensor leads to a bernet_tensor.
 */
bernet_status bernet_model_tensor(const bernet_model *model,
                                  int32_t side,
                                  size_t index,
                                  bernet_tensor *tensor);

/*
 Writes to text the name of an input or output, as bernet_model_metadata does. No two inputs have the same, nor two outputs.

 # Safety
 text leads to capacity bytes, length to a size_t.
 */
bernet_status bernet_model_tensor_name(const bernet_model *model,
                                       int32_t side,
                                       size_t index,
                                       char *text,
                                       size_t capacity,
                                       size_t *length);

/*
 Writes to text what a model's metadata say of a key, in UTF-8 with a zero byte at the end, and to *length (which may be null) the
 bytes that it takes, the zero byte included. Where capacity is less, nothing is written to text and the status is BERNET_SIZE:
 ask with a capacity of 0 first. A key that is not there is BERNET_ARGUMENT, and the text names those that are. bernet train
 writes "method", "seed", "epochs", "net", "configuration" and "validation accuracy"; models of other origin may have others
 or none.

 # Safety
 key ends with a zero byte; text leads to capacity bytes, length to a size_t.
 */
bernet_status bernet_model_metadata(const bernet_model *model,
                                    const char *key,
                                    char *text,
                                    size_t capacity,
                                    size_t *length);

/*
 Writes to text a key of a model's metadata, as bernet_model_metadata does; keys are counted from 0, in the order of their bytes.

 # Safety
 text leads to capacity bytes, length to a size_t.
 */
bernet_status bernet_model_metadata_key(const bernet_model *model,
                                        size_t index,
                                        char *text,
                                        size_t capacity,
                                        size_t *length);

/*
 Reads a .bnet file of any version, which need not be trusted, and makes *model a handle of it: to be ended by bernet_model_free. Where that
 fails, *model is null, with BERNET_FILE for what the file system says and BERNET_MODEL for what is wrong in the file.

 # Safety
 path is a text that ends with a zero byte, in the file system's own encoding (Windows: UTF-8).
 */
bernet_status bernet_model_read(const char *path,
                                bernet_model **model);

/*
 Reads a model from the bytes of a whole .bnet file, which need not be trusted and are not needed afterwards; else as
 bernet_model_read.

 # Safety
 bytes leads to length bytes.
 */
bernet_status bernet_model_from_bytes(const uint8_t *bytes,
                                      size_t length,
                                      bernet_model **model);

/*
 Ends a model. Sessions made from it are not touched. Null is no model, and fine; a model that has ended is BERNET_HANDLE, and nothing
 happens.
 */
bernet_status bernet_model_free(bernet_model *model);

/*
 Makes a model ready to run and *session a handle of it: to be ended by bernet_session_free. The model may be freed before.

 level names the instruction set, one of "portable", "sse42", "avx2", "avx512", "avx512-vpopcnt", "neon", "simd128"; null takes the
 best that the CPU has. So many threads share the items of each call, 1 for the caller's own and at most 64, or four for each that
 the machine runs at once; results do not depend on level or threads. They end before bernet_session_free returns. Where it
 fails, *session is null: BERNET_ARGUMENT for a level that this CPU does not have, or for threads that cannot be had.

 # Safety
 level ends with a zero byte; session leads to a pointer.
 */
bernet_status bernet_session_new(const bernet_model *model,
                                 const char *level,
                                 size_t threads,
                                 bernet_session **session);

/*
 The name of the instruction set whose kernels a session runs, or null where there is no such session. It lives as long as the library
 is loaded.
 */
const char *bernet_session_level(const bernet_session *session);

/*
 Runs a batch of items on the caller's buffers: those of all inputs and outputs of the model, in their order. Each has items
 times bernet_tensor.item_bytes bytes. Outputs overlap neither inputs nor each other. The threads of the session share the
 items; results do not depend on them. Where the status is not BERNET_OK, the outputs hold anything.

 # Safety
 inputs leads to input_count buffers of as many bytes as they say, outputs to output_count; nobody else writes to them during
 the call, or reads the outputs.
 */
bernet_status bernet_session_run(const bernet_session *session,
                                 size_t items,
                                 const bernet_input_buffer *inputs,
                                 size_t input_count,
                                 const bernet_output_buffer *outputs,
                                 size_t output_count);

/*
 Ends a session; calls of other threads that are at work with it come to their end. Null is no session, and fine; a session that has
 ended is BERNET_HANDLE, and nothing happens.
 */
bernet_status bernet_session_free(bernet_session *session);

/*
 Writes to *input what a model reads of pictures. BERNET_MODEL where it takes none: it has several inputs or outputs, its output
 is not a number for each class, or its file does not say what a picture's pixels become (bernet import --pixels).
 bernet_session_run takes any model.

 # Safety
 input leads to a bernet_input.
 */
bernet_status bernet_model_input(const bernet_model *model,
                                 bernet_input *input);

/*
 Classifies pictures, values from 0 to 255 (digits: 0 paper, 255 ink), one after the other, each in the order line, pixel, channel.

 grey is length bytes, images times bernet_input.bytes. classes takes the class of each image, and margins, which may be null,
 by how much its logit exceeds the next (0 for a tie; rounded down where logits are real numbers); both have images values. A
 model that takes no pictures is BERNET_MODEL: see bernet_model_input.

 # Safety
 grey leads to length bytes; classes and margins lead to images values each.
 */
bernet_status bernet_session_classify(const bernet_session *session,
                                      const uint8_t *grey,
                                      size_t length,
                                      uint32_t *classes,
                                      int32_t *margins,
                                      size_t images);

/*
 The integer logits of pictures (see bernet_session_classify), image by image, one for each class: size is images times
 bernet_input.classes. They are sums of +1 and -1, and the same on every machine. A model whose last layer has real weights has none:
 BERNET_MODEL.

 # Safety
 grey leads to length bytes; logits leads to size values.
 */
bernet_status bernet_session_logits(const bernet_session *session,
                                    const uint8_t *grey,
                                    size_t length,
                                    int32_t *logits,
                                    size_t size);

/*
 The real logits: scale * sum + bias where the model has a scale and a bias for each class, else the sums, or what a last layer of
 real weights gives; they are computed in single precision. Else as bernet_session_logits.

 # Safety
 As bernet_session_logits.
 */
bernet_status bernet_session_real_logits(const bernet_session *session,
                                         const uint8_t *grey,
                                         size_t length,
                                         double *logits,
                                         size_t size);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* BERNET_H */
