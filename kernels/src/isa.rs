//! Instruction-set levels: what the running CPU can do, as a value.
//!
//! A [`Level`] can only be had from detection, so holding one *is* the proof that its instructions exist; kernels
//! take a level and never ask again. Callers choose once (usually [`Level::best`]) and may force a lower level by
//! name:
//!
//! ```
//! use bernet_kernels::isa::Level;
//!
//! let level = Level::best();
//! assert!(Level::available().contains(&level));
//! assert_eq!(Level::by_name("portable")?.name(), "portable");
//! # Ok::<(), bernet_kernels::isa::LevelError>(())
//! ```

use alloc::vec::Vec;
use core::fmt;

/// The CPU features of each level, stated once. Detection and every `#[target_feature]` are generated from this
/// list: `features!(Avx2 => callback ARGS)` expands to `callback!(["avx2" …] ARGS)`.
macro_rules! features {
    (Portable => $callback:ident $($args:tt)*) => {
        $crate::isa::$callback! { [] $($args)* }
    };
    (Sse42 => $callback:ident $($args:tt)*) => {
        $crate::isa::$callback! { ["sse3" "ssse3" "sse4.1" "sse4.2" "popcnt"] $($args)* }
    };
    (Avx2 => $callback:ident $($args:tt)*) => {
        $crate::isa::$callback! { ["avx2" "bmi1" "bmi2" "fma" "lzcnt" "popcnt"] $($args)* }
    };
    (Avx512 => $callback:ident $($args:tt)*) => {
        $crate::isa::$callback! { ["avx2" "bmi1" "bmi2" "fma" "lzcnt" "popcnt"
            "avx512f" "avx512bw" "avx512cd" "avx512dq" "avx512vl"] $($args)* }
    };
    (Avx512Vpopcnt => $callback:ident $($args:tt)*) => {
        $crate::isa::$callback! { ["avx2" "bmi1" "bmi2" "fma" "lzcnt" "popcnt"
            "avx512f" "avx512bw" "avx512cd" "avx512dq" "avx512vl" "avx512vpopcntdq"] $($args)* }
    };
    (Neon => $callback:ident $($args:tt)*) => {
        $crate::isa::$callback! { ["neon"] $($args)* }
    };
    (Simd128 => $callback:ident $($args:tt)*) => {
        $crate::isa::$callback! { ["simd128"] $($args)* }
    };
}

/// `compiled_for! { Avx2, fn … }`: the function, compiled with the level's features. Value intrinsics are safe inside;
/// an intrinsic of an unlisted feature does not compile.
macro_rules! compiled_for {
    ([$($feature:tt)*] $(#[$meta:meta])* $vis:vis fn $($rest:tt)*) => {
        $(#[$meta])* $(#[target_feature(enable = $feature)])* $vis fn $($rest)*
    };
    ([$($feature:tt)*] $(#[$meta:meta])* $vis:vis unsafe fn $($rest:tt)*) => {
        $(#[$meta])* $(#[target_feature(enable = $feature)])* $vis unsafe fn $($rest)*
    };
    ($level:ident, $($function:tt)*) => {
        $crate::isa::features! { $level => compiled_for $($function)* }
    };
}
pub(crate) use {compiled_for, features};

#[cfg(all(target_arch = "x86_64", feature = "std"))]
macro_rules! detected {
    ([$($feature:tt)*]) => { $(std::arch::is_x86_feature_detected!($feature))&&* };
}
#[cfg(all(target_arch = "aarch64", feature = "std"))]
macro_rules! detected {
    ([$($feature:tt)*]) => { $(std::arch::is_aarch64_feature_detected!($feature))&&* };
}
// Without std nobody can ask the CPU: what the build was told to assume counts. So it does in wasm, where a module with an
// instruction that the engine does not know is not even loaded.
#[cfg(any(not(feature = "std"), target_arch = "wasm32"))]
macro_rules! detected {
    ([$($feature:tt)*]) => { $(cfg!(target_feature = $feature))&&* };
}

use detected;

macro_rules! token {
    ($(#[$meta:meta])* $level:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        pub struct $level(());

        impl $level {
            /// The token, if the running CPU has every feature of the level.
            pub fn detect() -> Option<Self> {
                (features! { $level => detected }).then_some(Self(()))
            }
        }

        impl Token for $level {
            #[inline(always)]
            #[allow(unused_unsafe, reason = "on wasm32 the call is safe")]
            fn vectorize<T>(self, body: impl FnOnce() -> T) -> T {
                compiled_for! { $level, fn run<T>(body: impl FnOnce() -> T) -> T { body() } }
                // SAFETY: the token exists only where the CPU has the level's features.
                unsafe { run(body) }
            }
        }
    };
}

/// The proof that the running CPU has a level's instructions.
pub(crate) trait Token: Copy + Send + Sync {
    /// Runs `body`, compiled with the level's features.
    fn vectorize<T>(self, body: impl FnOnce() -> T) -> T;
}

/// Plain Rust, on every CPU.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Portable;

impl Token for Portable {
    fn vectorize<T>(self, body: impl FnOnce() -> T) -> T {
        body()
    }
}

#[cfg(target_arch = "x86_64")]
token! {
    /// SSE4.2 and POPCNT, x86-64-v2: Nehalem, Silvermont, Bulldozer and later.
    Sse42
}
#[cfg(target_arch = "x86_64")]
token! {
    /// AVX2 and FMA: Haswell, Zen and later.
    Avx2
}
#[cfg(target_arch = "x86_64")]
token! {
    /// AVX-512 F, BW, CD, DQ, VL: Skylake-X and later.
    Avx512
}
#[cfg(target_arch = "x86_64")]
token! {
    /// AVX-512 with VPOPCNTDQ: Ice Lake, Zen 4 and later.
    Avx512Vpopcnt
}

#[cfg(target_arch = "x86_64")]
impl Avx512Vpopcnt {
    /// Its token of AVX-512 alone, whose features are among those of this level.
    pub(crate) fn avx512(self) -> Avx512 {
        Avx512(())
    }
}

#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
token! {
    /// NEON: every 64-bit Arm.
    Neon
}
#[cfg(target_arch = "wasm32")]
token! {
    /// WebAssembly's 128-bit vectors, in a build with the target feature `simd128`.
    Simd128
}

/// An instruction set that the running CPU is known to have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[non_exhaustive]
pub enum Level {
    /// Plain Rust, on every CPU.
    Portable(Portable),
    /// SSE4.2 and POPCNT.
    #[cfg(target_arch = "x86_64")]
    Sse42(Sse42),
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    /// AVX-512 F, BW, CD, DQ, VL.
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    /// AVX-512 with VPOPCNTDQ.
    #[cfg(target_arch = "x86_64")]
    Avx512Vpopcnt(Avx512Vpopcnt),
    /// NEON.
    #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
    Neon(Neon),
    /// WebAssembly's 128-bit vectors.
    #[cfg(target_arch = "wasm32")]
    Simd128(Simd128),
}

#[cfg(target_arch = "x86_64")]
impl Avx512 {
    /// A CPU of this level has all that AVX2 has: its features are among this level's.
    #[inline(always)]
    pub(crate) fn avx2(self) -> Avx2 {
        Avx2(())
    }
}

/// Evaluates an expression with the token of whichever level it is: `dispatch!(level, token => token.kernel(…))`.
macro_rules! dispatch {
    ($level:expr, $token:ident => $body:expr) => {
        match $level.compiled() {
            #[cfg(not(all(
                feature = "one-level",
                target_arch = "wasm32",
                target_feature = "simd128"
            )))]
            $crate::isa::Level::Portable($token) => $body,
            #[cfg(all(
                feature = "one-level",
                target_arch = "wasm32",
                target_feature = "simd128"
            ))]
            $crate::isa::Level::Portable(_) => unreachable!("vectors are compiled in"),
            #[cfg(target_arch = "x86_64")]
            $crate::isa::Level::Sse42($token) => $body,
            #[cfg(target_arch = "x86_64")]
            $crate::isa::Level::Avx2($token) => $body,
            #[cfg(target_arch = "x86_64")]
            $crate::isa::Level::Avx512($token) => $body,
            #[cfg(target_arch = "x86_64")]
            $crate::isa::Level::Avx512Vpopcnt($token) => $body,
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            $crate::isa::Level::Neon($token) => $body,
            #[cfg(target_arch = "wasm32")]
            $crate::isa::Level::Simd128($token) => $body,
        }
    };
}
pub(crate) use dispatch;

impl Level {
    /// The names of all levels, on whatever CPU, in the order of preference, best last.
    pub const NAMES: [&str; 7] = [
        "portable",
        "simd128",
        "neon",
        "sse42",
        "avx2",
        "avx512",
        "avx512-vpopcnt",
    ];

    /// The level whose kernels compute this one: itself, but for WebAssembly with the feature
    /// `one-level`, where the vectors do it all and the plain kernels are left out.
    #[inline(always)]
    pub(crate) fn compiled(self) -> Self {
        #[cfg(all(
            feature = "one-level",
            target_arch = "wasm32",
            target_feature = "simd128"
        ))]
        if let Self::Portable(_) = self {
            return Self::Simd128(Simd128(()));
        }
        self
    }

    /// Its name, as [`Level::by_name`] takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable(_) => "portable",
            #[cfg(target_arch = "x86_64")]
            Self::Sse42(_) => "sse42",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vpopcnt(_) => "avx512-vpopcnt",
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Self::Neon(_) => "neon",
            #[cfg(target_arch = "wasm32")]
            Self::Simd128(_) => "simd128",
        }
    }

    /// Every level that this CPU has, best last; `portable` is always the first.
    pub fn available() -> Vec<Self> {
        Self::detected().collect()
    }

    fn detected() -> impl Iterator<Item = Self> {
        [
            Some(Self::Portable(Portable)),
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Neon::detect().map(Self::Neon),
            #[cfg(target_arch = "wasm32")]
            Simd128::detect().map(Self::Simd128),
            #[cfg(target_arch = "x86_64")]
            Sse42::detect().map(Self::Sse42),
            #[cfg(target_arch = "x86_64")]
            Avx2::detect().map(Self::Avx2),
            #[cfg(target_arch = "x86_64")]
            Avx512::detect().map(Self::Avx512),
            #[cfg(target_arch = "x86_64")]
            Avx512Vpopcnt::detect().map(Self::Avx512Vpopcnt),
        ]
        .into_iter()
        .flatten()
    }

    /// The best level that this CPU has.
    pub fn best() -> Self {
        Self::detected().last().unwrap_or(Self::Portable(Portable))
    }

    /// Does `work`, compiled with this level's instructions: plain loops over slices become loops over its vectors. Results
    /// keep their bits, since the compiler neither fuses nor reorders floating-point operations.
    ///
    /// The compiler has to inline `work` for that: a closure says `#[inline(always)]`, or it may be compiled for any CPU where it
    /// is long.
    ///
    /// ```
    /// use bernet_kernels::isa::Level;
    ///
    /// let mut values = [1.0, 2.0, 3.0];
    /// Level::best().vectorize(
    ///     #[inline(always)]
    ///     || values.iter_mut().for_each(|value| *value *= 2.0),
    /// );
    /// assert_eq!(values, [2.0, 4.0, 6.0]);
    /// ```
    #[inline]
    pub fn vectorize<R>(self, work: impl FnOnce() -> R) -> R {
        dispatch!(self, token => token.vectorize(work))
    }

    /// The level called `name`.
    ///
    /// # Errors
    /// [`LevelError`] where there is no such level, or this CPU does not have it.
    pub fn by_name(name: &str) -> Result<Self, LevelError> {
        Self::available()
            .into_iter()
            .find(|level| level.name() == name)
            .ok_or_else(|| LevelError::new(name))
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A level that does not exist or that this CPU does not have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LevelError {
    /// As much of the name as has room.
    name: [u8; 24],
    len: usize,
}

impl LevelError {
    fn new(name: &str) -> Self {
        let mut bytes = [0; 24];
        let len = name.floor_char_boundary(bytes.len());
        bytes[..len].copy_from_slice(&name.as_bytes()[..len]);
        Self { name: bytes, len }
    }
}

impl fmt::Display for LevelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = core::str::from_utf8(&self.name[..self.len]).unwrap_or_default();
        let why = if Level::NAMES.contains(&name) {
            "this CPU does not have it"
        } else {
            "there is no such level"
        };
        write!(f, "level `{name}`: {why}; available here: ")?;
        for (index, level) in Level::available().into_iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            write!(f, "{comma}{level}")?;
        }
        Ok(())
    }
}

impl core::error::Error for LevelError {}

#[cfg(test)]
mod tests {
    use super::Level;
    use std::string::ToString;

    #[test]
    fn every_level_has_its_name_in_the_list() {
        for level in Level::available() {
            assert!(Level::NAMES.contains(&level.name()), "{level}");
        }
    }

    #[test]
    fn errors_hold_long_names_in_part() {
        for (name, held) in [("avx3", "avx3"), ("ééééééééééééé", "éééééééééééé")]
        {
            let text = Level::by_name(name).unwrap_err().to_string();
            assert!(
                text.starts_with(&std::format!("level `{held}`: there is no such")),
                "{text}"
            );
        }
    }
}
