/*
 * The test images of NAME_test.h, each through the net: logits against the host's, classes against
 * the labels, instructions and stack. NET and net stand for the prefix here: bernet export --name net.
 */
#include "board.h"
#include "net.h"
#include "net_test.h"

#define PAINT 0xa5a5a5a5u

static uint32_t arena[NET_ARENA_BYTES / 4];
static uint8_t pixels[NET_INPUT_BYTES];
static int32_t logits[NET_CLASSES];

static void print_number(const char *name, uint32_t number)
{
    char digits[12];
    uint32_t at = 11u;
    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + (char)(number % 10u));
        number /= 10u;
    } while (number > 0u);
    board_print(name);
    board_print(" ");
    board_print(&digits[at]);
    board_print("\n");
}

static int same(const int32_t *expected)
{
    for (uint32_t i = 0u; i < NET_CLASSES; i++) {
        if (logits[i] != expected[i]) {
            return 0;
        }
    }
    return 1;
}

static uint8_t pixel(uint32_t image, uint32_t at)
{
    return (uint8_t)(255u * (net_test_bits[image][at >> 5] >> (at & 31u) & 1u));
}

/* What is above the lowest word of the stack that was written to. */
static uint32_t stack_used(const uint32_t *top)
{
    const uint32_t *lowest = board_stack_limit;
    while (lowest < top && *lowest == PAINT) {
        lowest++;
    }
    return (uint32_t)((uintptr_t)top - (uintptr_t)lowest);
}

/* Fills the stack below what is in use; returns where that ends. */
static uint32_t *paint(void)
{
    uint32_t *top = board_stack_pointer();
    for (uint32_t *word = board_stack_limit; word < top - 16; word++) {
        *word = PAINT;
    }
    return top;
}

int main(void)
{
    uint32_t equal = 0u;
    uint32_t right = 0u;
    uint32_t run = 0u;
    board_start();

    /* The counter itself, on a loop whose length is known. */
    uint32_t begin = board_count();
    board_loop(100000u);
    const uint32_t loop = board_since(begin);
    print_number("step_of_the_counter", board_step());
    print_number("loop_of_200000", loop);

    uint32_t *top = paint();
    for (uint32_t image = 0u; image < NET_TEST_IMAGES; image++) {
        for (uint32_t i = 0u; i < NET_INPUT_BYTES; i++) {
            pixels[i] = pixel(image, i);
        }
        begin = board_count();
        net_run(arena, pixels, logits);
        run += board_since(begin);
        equal += (uint32_t)same(net_test_logits[image]);
        right += (uint32_t)(net_classify(arena, pixels) == net_test_labels[image]);
    }
    print_number("images", NET_TEST_IMAGES);
    print_number("logits_as_on_the_host", equal);
    print_number("right", right);
    print_number("instructions", run / NET_TEST_IMAGES);
    print_number("stack", stack_used(top));
#ifdef NET_INPUT_WORDS
    run = 0u;
    top = paint();
    for (uint32_t image = 0u; image < NET_TEST_IMAGES; image++) {
        begin = board_count();
        net_run_packed(arena, net_test_bits[image], logits);
        run += board_since(begin);
        equal -= (uint32_t)!same(net_test_logits[image]);
    }
    print_number("instructions_packed", run / NET_TEST_IMAGES);
    print_number("stack_packed", stack_used(top));
#endif
    const int passed = equal == NET_TEST_IMAGES && loop + 2u * board_step() >= 200000u
        && loop <= 200100u + 2u * board_step();
    board_print(passed ? "passed\n" : "FAILED\n");
    board_exit(passed);
    return 0;
}
