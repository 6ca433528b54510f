//! The small functions of C that steps call; only those that one calls are written.

/// Each with its name after the prefix; `NET` and `net` stand for the prefix. One that calls
/// another comes after it.
const HELPERS: [(&str, &str); 12] = [
    (
        "popcount",
        "/* How many bits are 1. */
static uint32_t net_popcount(uint32_t x)
{
#if NET_HAS_POPCOUNT
    return (uint32_t)__builtin_popcount(x);
#else
    x = x - ((x >> 1) & 0x55555555u);
    x = (x & 0x33333333u) + ((x >> 2) & 0x33333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0fu;
    x = x + (x >> 8);
    return (x + (x >> 16)) & 0x3fu;
#endif
}
",
    ),
    (
        "add",
        "/* Adds two bits to a third, 32 times; returns what is carried. */
static uint32_t net_add(uint32_t *sum, uint32_t a, uint32_t b)
{
    const uint32_t either = a ^ b;
    const uint32_t carry = (a & b) | (either & *sum);
    *sum ^= either;
    return carry;
}
",
    ),
    (
        "differ",
        "/* How many bits of so many words differ. */
static uint32_t net_differ(const uint32_t *x, const uint32_t *weights, uint32_t words)
{
    uint32_t count = 0u;
    uint32_t i = 0u;
#if !NET_HAS_POPCOUNT
    /* Adders of one bit count eight words at a time. */
    if (words >= 8u) {
        uint32_t ones = 0u;
        uint32_t twos = 0u;
        uint32_t fours = 0u;
        for (; i + 8u <= words; i += 8u) {
            const uint32_t *a = &x[i];
            const uint32_t *b = &weights[i];
            const uint32_t two0 = net_add(&ones, a[0] ^ b[0], a[1] ^ b[1]);
            const uint32_t two1 = net_add(&ones, a[2] ^ b[2], a[3] ^ b[3]);
            const uint32_t four0 = net_add(&twos, two0, two1);
            const uint32_t two2 = net_add(&ones, a[4] ^ b[4], a[5] ^ b[5]);
            const uint32_t two3 = net_add(&ones, a[6] ^ b[6], a[7] ^ b[7]);
            const uint32_t four1 = net_add(&twos, two2, two3);
            count += net_popcount(net_add(&fours, four0, four1));
        }
        count = 8u * count + 4u * net_popcount(fours) + 2u * net_popcount(twos)
            + net_popcount(ones);
    }
#endif
    for (; i < words; i++) {
        count += net_popcount(x[i] ^ weights[i]);
    }
    return count;
}
",
    ),
    (
        "differ_in",
        "/* How many bits of so many words differ where `valid` has a 1. */
static uint32_t net_differ_in(const uint32_t *x, const uint32_t *weights, const uint32_t *valid,
                              uint32_t words)
{
    uint32_t count = 0u;
    for (uint32_t i = 0u; i < words; i++) {
        count += net_popcount((x[i] ^ weights[i]) & valid[i]);
    }
    return count;
}
",
    ),
    (
        "total",
        "/* The sum of so many bytes. */
static int32_t net_total(const uint8_t *x, uint32_t count)
{
    int32_t sum = 0;
    for (uint32_t i = 0u; i < count; i++) {
        sum += x[i];
    }
    return sum;
}
",
    ),
    (
        "chosen",
        "/* The sum of those of so many bytes whose weight is +1. */
static int32_t net_chosen(const uint8_t *x, const uint32_t *weights, uint32_t count)
{
    uint32_t sum = 0u;
    uint32_t word = 0u;
    for (uint32_t i = 0u; i < count; i++) {
        word = (i & 31u) == 0u ? weights[i >> 5] : word >> 1;
        sum += x[i] & (0u - (word & 1u));
    }
    return (int32_t)sum;
}
",
    ),
    (
        "bit",
        "/* Bit i. */
static int net_bit(const uint32_t *x, uint32_t i)
{
    return (int)((x[i >> 5] >> (i & 31u)) & 1u);
}
",
    ),
    (
        "sign",
        "/* Bit i as +1 or -1. */
static int32_t net_sign(const uint32_t *x, uint32_t i)
{
    return 2 * (int32_t)((x[i >> 5] >> (i & 31u)) & 1u) - 1;
}
",
    ),
    (
        "set",
        "/* Sets bit i, which is 0, where `holds`. */
static void net_set(uint32_t *y, uint32_t i, int holds)
{
    y[i >> 5] |= (uint32_t)holds << (i & 31u);
}
",
    ),
    (
        "copy_bits",
        "/* Adds by or to the bits from `to` on so many bits from `from` on. */
static void net_copy_bits(uint32_t *y, uint32_t to, const uint32_t *x, uint32_t from,
                          uint32_t count)
{
    const uint32_t skip = from & 31u;
    const uint32_t shift = to & 31u;
    x += from >> 5;
    y += to >> 5;
    while (count > 0u) {
        const uint32_t part = count < 32u ? count : 32u;
        uint32_t word = *x++ >> skip;
        if (skip + part > 32u) {
            word |= *x << (32u - skip);
        }
        if (part < 32u) {
            word &= ((uint32_t)1 << part) - 1u;
        }
        *y++ |= word << shift;
        if (shift + part > 32u) {
            *y |= word >> (32u - shift);
        }
        count -= part;
    }
}
",
    ),
    (
        "transpose",
        "#define NET_SWAP(a, b, shift, mask) \\
    do { \\
        const uint32_t swap_ = (((a) >> (shift)) ^ (b)) & (mask); \\
        (b) ^= swap_; \\
        (a) ^= swap_ << (shift); \\
    } while (0)

/* Bit j of each byte of word i becomes bit i of that byte of word j; eight words. */
static void net_transpose(uint32_t *x)
{
    uint32_t x0 = x[0], x1 = x[1], x2 = x[2], x3 = x[3];
    uint32_t x4 = x[4], x5 = x[5], x6 = x[6], x7 = x[7];
    NET_SWAP(x0, x4, 4, 0x0f0f0f0fu);
    NET_SWAP(x1, x5, 4, 0x0f0f0f0fu);
    NET_SWAP(x2, x6, 4, 0x0f0f0f0fu);
    NET_SWAP(x3, x7, 4, 0x0f0f0f0fu);
    NET_SWAP(x0, x2, 2, 0x33333333u);
    NET_SWAP(x1, x3, 2, 0x33333333u);
    NET_SWAP(x4, x6, 2, 0x33333333u);
    NET_SWAP(x5, x7, 2, 0x33333333u);
    NET_SWAP(x0, x1, 1, 0x55555555u);
    NET_SWAP(x2, x3, 1, 0x55555555u);
    NET_SWAP(x4, x5, 1, 0x55555555u);
    NET_SWAP(x6, x7, 1, 0x55555555u);
    x[0] = x0;
    x[1] = x1;
    x[2] = x2;
    x[3] = x3;
    x[4] = x4;
    x[5] = x5;
    x[6] = x6;
    x[7] = x7;
}
",
    ),
    (
        "copy_bytes",
        "/* Copies so many bytes. */
static void net_copy_bytes(uint8_t *y, uint32_t to, const uint8_t *x, uint32_t from,
                           uint32_t count)
{
    for (uint32_t i = 0u; i < count; i++) {
        y[to + i] = x[from + i];
    }
}
",
    ),
];

/// Sets bits: a loop of its own, as it is called for padding alone.
const ONES: (&str, &str) = (
    "ones",
    "/* Sets so many bits from `to` on. */
static void net_ones(uint32_t *y, uint32_t to, uint32_t count)
{
    for (uint32_t i = to; i < to + count; i++) {
        y[i >> 5] |= (uint32_t)1 << (i & 31u);
    }
}
",
);

/// Whether the core counts bits by an instruction.
const DEFINE: &str = "#if defined(__ARM_NEON) || defined(__riscv_zbb) || defined(__POPCNT__)
#define NET_HAS_POPCOUNT 1
#else
#define NET_HAS_POPCOUNT 0
#endif

";

/// Where a helper is called: on cores that count bits, on those that do not.
#[derive(Clone, Copy, Default)]
struct Called([bool; 2]);

impl Called {
    fn or(self, other: Self) -> Self {
        Self([0, 1].map(|at| self.0[at] || other.0[at]))
    }

    /// Puts a text under the condition.
    fn guard(self, text: &str) -> String {
        match self.0 {
            [true, true] => text.into(),
            [true, false] => format!("#if NET_HAS_POPCOUNT\n{text}#endif\n"),
            [false, true] => format!("#if !NET_HAS_POPCOUNT\n{text}#endif\n"),
            [false, false] => String::new(),
        }
    }
}

/// Where a text calls a function.
fn calls(text: &str, function: &str) -> Called {
    let mut called = Called::default();
    let mut here = [true, true];
    for line in text.lines() {
        if line.starts_with("#if ") && line.ends_with("_HAS_POPCOUNT") {
            here = [!line.contains('!'), line.contains('!')];
        } else if line == "#else" {
            here = here.map(|one| !one);
        } else if line == "#endif" {
            here = [true, true];
        } else if line.contains(function) {
            called = called.or(Called(here));
        }
    }
    called
}

/// The helpers that a text calls, for a prefix.
pub(super) fn called(text: &str, prefix: &str) -> String {
    let of = |name: &str| calls(text, &format!("{prefix}_{name}("));
    let mut helpers = String::new();
    let differ = of("differ");
    let without = Called([false, differ.0[1]]);
    for (name, body) in HELPERS.iter().chain([&ONES]) {
        let called = match *name {
            "popcount" => differ.or(of("differ_in")),
            "add" => without,
            name => of(name),
        };
        let body = called.guard(body);
        if !body.is_empty() {
            helpers.push_str(&body);
            helpers.push('\n');
        }
    }
    if helpers.contains("NET_HAS_POPCOUNT") || text.contains("_HAS_POPCOUNT") {
        helpers.insert_str(0, DEFINE);
    }
    let helpers = helpers.replace("net_", &format!("{prefix}_"));
    helpers.replace("NET_", &format!("{}_", prefix.to_uppercase()))
}
