//! Bit-sliced counters: 32 counts at once, bit p of every count in word p.
//!
//! A lane is one sum: an output channel, or an output position. A tap adds 1 to the lanes where
//! its word, or its complement, has a 1. Two taps and a plane of the counters are added by four
//! logical operations, because `a ^ b` stands in the table in place of `a`; carries by five. The
//! counters begin with what is missing to a power of two, so that their top plane is the result.

use super::{
    code::Code,
    product::{Product, Row},
};
use std::fmt::Write;

/// Taps that the loop over words adds at a time.
pub(super) const BLOCK: usize = 32;

/// Words of planes that the loop over words keeps in variables.
pub(super) const KEPT: usize = 5;

/// What counters begin with.
pub(super) struct Starts {
    /// The plane that is the result; there are one more.
    pub(super) top: usize,
    /// Of each row.
    pub(super) counts: Vec<usize>,
}

impl Starts {
    /// The smallest top plane, at least `least`, that no count passes.
    pub(super) fn new(product: &Product<'_>, rows: &[Row], least: usize) -> Self {
        let needs: Vec<_> = rows.iter().map(|row| product.least_agreeing(row)).collect();
        let columns = product.columns();
        let mut top = least;
        while needs
            .iter()
            .any(|&need| need > 1 << top || columns >= need + (1 << top))
        {
            top += 1;
        }
        Self {
            top,
            counts: needs.iter().map(|&need| (1 << top) - need).collect(),
        }
    }
}

/// The two bits that stand for two taps: whether they differ, and the second.
pub(super) fn pair(first: bool, second: bool) -> [bool; 2] {
    [first != second, second]
}

/// Adders that are written one after another, over variables `s0` to `s{top − 1}`.
pub(super) struct Adders {
    pending: Vec<bool>,
    top: usize,
    /// What is done with a carry `t` into the top plane.
    last: &'static str,
    upper: String,
}

impl Adders {
    pub(super) fn new(prefix: &str, top: usize, last: &'static str) -> Self {
        Self {
            pending: vec![false; top],
            top,
            last,
            upper: prefix.to_uppercase(),
        }
    }

    /// Declares the variables of carries that so many taps need.
    pub(super) fn declare(&self, code: &mut Code, taps: usize) {
        let mut names = String::from("t = 0u");
        for level in 1..self.top {
            let _ = write!(names, ", c{level}");
            if taps.div_ceil(1 << level) > 1 {
                let _ = write!(names, ", d{level}");
            }
        }
        code.line(format!("uint32_t {names};"));
    }

    fn place(&self, level: usize) -> String {
        match self.pending.get(level) {
            None => "t".into(),
            Some(false) => format!("c{level}"),
            Some(true) => format!("d{level}"),
        }
    }

    fn arrived(&mut self, code: &mut Code, level: usize) {
        if level == self.top {
            if !self.last.is_empty() {
                code.line(self.last);
            }
        } else if self.pending[level] {
            self.pending[level] = false;
            let (upper, carry) = (&self.upper, self.place(level + 1));
            code.line(format!(
                "{upper}_ADD({carry}, s{level}, c{level}, d{level});"
            ));
            self.arrived(code, level + 1);
        } else {
            self.pending[level] = true;
        }
    }

    /// Adds so many taps: `lanes` at `from` on, by the bits of a variable.
    pub(super) fn taps(&mut self, code: &mut Code, from: usize, bits: &str, taps: usize) {
        for tap in (0..taps).step_by(2) {
            let (upper, carry, at) = (&self.upper, self.place(1), from + tap);
            if tap + 1 < taps {
                code.line(format!("{upper}_PAIR({carry}, s0, {at}, {bits}, {tap});"));
            } else {
                // The second of the last pair is a tap of zeros, and the first is itself.
                code.line(format!(
                    "{upper}_HALF({carry}, s0, lanes[{at}] ^ {upper}_MASK({bits}, {tap}));"
                ));
            }
            self.arrived(code, 1);
        }
    }

    /// Adds what carries are left.
    pub(super) fn finish(&mut self, code: &mut Code) {
        for level in 1..self.top {
            if self.pending[level] {
                self.pending[level] = false;
                let (upper, carry) = (&self.upper, self.place(level + 1));
                code.line(format!("{upper}_HALF({carry}, s{level}, c{level});"));
                self.arrived(code, level + 1);
            }
        }
    }
}

/// The macros that [`Adders`] write.
const MACROS: &str = "/* 32 bits that are all bit `at`. */
#define NET_MASK(bits, at) (0u - (((bits) >> (at)) & 1u))

/* Adds a word to a plane of 32 counters. */
#define NET_HALF(carry, sum, x) \\
    do { \\
        const uint32_t x_ = (x); \\
        (carry) = (sum) & x_; \\
        (sum) ^= x_; \\
    } while (0)

/* Adds two words to a plane. */
#define NET_ADD(carry, sum, a, b) \\
    do { \\
        const uint32_t either_ = (a) ^ (b); \\
        const uint32_t second_ = (b); \\
        (carry) = second_ ^ (either_ & (second_ ^ (sum))); \\
        (sum) ^= either_; \\
    } while (0)

/* Adds two taps to the lowest plane; lanes[from] is the first ^ the second, so are the bits. */
#define NET_PAIR(carry, sum, from, bits, at) \\
    do { \\
        const uint32_t either_ = lanes[from] ^ NET_MASK(bits, at); \\
        const uint32_t second_ = lanes[(from) + 1] ^ NET_MASK(bits, (at) + 1); \\
        (carry) = second_ ^ (either_ & (second_ ^ (sum))); \\
        (sum) ^= either_; \\
    } while (0)

";

/// The macros, with the prefix in capitals.
pub(super) fn macros(prefix: &str) -> String {
    MACROS.replace("NET_", &format!("{}_", prefix.to_uppercase()))
}

/// The function that counts the taps of whole words of bits, for at most so many planes.
pub(super) fn function(code: &mut Code, prefix: &str, planes: usize) {
    code.line("/*");
    code.line(
        " * 32 sums with thresholds: lanes[32 * i + j] are the weights of tap j of word i, two",
    );
    code.line(
        " * taps as a ^ b and b; planes start[0] to start[planes - 1]; the top one is the result.",
    );
    code.line(" */");
    code.line(format!(
        "static uint32_t {prefix}_sliced(const uint32_t *lanes, const uint32_t *x, uint32_t words,"
    ));
    code.function("                           const uint32_t *start, uint32_t planes)");
    let names: Vec<_> = (0..=KEPT).map(|p| format!("s{p} = start[{p}]")).collect();
    code.line(format!("uint32_t {};", names.join(", ")));
    let high = planes - KEPT - 1;
    if high > 0 {
        code.line(format!("uint32_t high[{high}];"));
    }
    code.line("uint32_t waits = 0u;");
    let each = |code: &mut Code| {
        code.open(format!("for (uint32_t i = {}u; i < planes; i++)", KEPT + 1));
    };
    if high > 0 {
        each(code);
        code.line(format!("high[i - {}u] = start[i];", KEPT + 1));
        code.close(1);
    } else {
        code.line("(void)planes;");
    }
    code.open("for (; words > 0u; words--)");
    let mut adders = Adders::new(prefix, KEPT, "");
    code.line("uint32_t bits = *x++;");
    adders.declare(code, BLOCK);
    code.line("bits ^= (bits >> 1) & 0x55555555u;");
    adders.taps(code, 0, "bits", BLOCK);
    adders.finish(code);
    code.line(format!("lanes += {BLOCK};"));
    code.line("/* Carries go up two by two; the last does not wait. */");
    code.open("if ((words & 1u) == 0u)");
    code.line("waits = t;");
    code.close(1);
    code.open("else");
    let carry = if high > 0 { "carry" } else { "unused" };
    code.line(format!("uint32_t {carry};"));
    code.line(format!(
        "{}_ADD({carry}, s{KEPT}, t, waits);",
        prefix.to_uppercase()
    ));
    if high > 0 {
        each(code);
        code.line(format!("const uint32_t plane = high[i - {}u];", KEPT + 1));
        code.line(format!("high[i - {}u] = plane ^ carry;", KEPT + 1));
        code.line("carry &= plane;");
        code.close(1);
    } else {
        code.line("(void)unused;");
    }
    code.close(2);
    if high > 0 {
        code.line(format!(
            "return planes > {}u ? high[planes - {}u] : s{KEPT};",
            KEPT + 1,
            KEPT + 2
        ));
    } else {
        code.line(format!("return s{KEPT};"));
    }
    code.close(1);
    code.line("");
}
