//! Bits of floats, by a threshold for each channel.

use crate::{
    Error,
    arch::float::{Float, Kernel},
    bits::WORD,
    isa::{Level, dispatch},
};
use alloc::vec::Vec;

/// A threshold for each channel of rows of floats: a bit is set where the value is at least the
/// threshold, or, inverted, where it is not.
///
/// ```
/// use bernet_kernels::{isa::Level, real::RealThresholds};
///
/// let thresholds = RealThresholds::new(&[(0.5, false), (-1.0, true)])?;
/// let mut words = [0];
/// thresholds.pack(Level::best(), &[0.5, 0.0, 0.0, -2.0, f32::NAN, f32::NAN], &mut words)?;
/// assert_eq!(words, [0b10_10_01]);
/// # Ok::<(), bernet_kernels::Error>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct RealThresholds {
    channels: usize,
    /// Places after which the thresholds repeat, at least a word of them.
    period: usize,
    /// Of each place of a period and of a word more.
    at_least: Vec<f32>,
    /// The bits of the same places that are inverted, and a word of zeros; none where none is.
    inverted: Vec<u64>,
}

impl RealThresholds {
    /// `list`: for each channel the threshold, and whether its bit is inverted.
    ///
    /// # Errors
    /// [`Error::Dimension`] where there are no channels.
    pub fn new(list: &[(f32, bool)]) -> Result<Self, Error> {
        let channels = list.len();
        if channels == 0 {
            return Err(Error::Dimension {
                what: "channels of thresholds",
                found: 0,
                expected: "at least 1",
            });
        }
        let period = WORD.div_ceil(channels) * channels;
        let places = period + WORD;
        let mut inverted = Vec::new();
        if list.iter().any(|(_, invert)| *invert) {
            inverted.resize(places.div_ceil(WORD) + 1, 0);
            for place in 0..places {
                inverted[place / WORD] |= u64::from(list[place % channels].1) << (place % WORD);
            }
        }
        Ok(Self {
            channels,
            period,
            at_least: (0..places).map(|place| list[place % channels].0).collect(),
            inverted,
        })
    }

    /// The channels.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The thresholds of the channels.
    pub fn at_least(&self) -> &[f32] {
        &self.at_least[..self.channels]
    }

    /// Whether the bit of any channel is inverted.
    pub fn has_inverted(&self) -> bool {
        !self.inverted.is_empty()
    }

    /// The bits of `values`, of which the first is of the first channel: least significant first, a
    /// last word filled up with 0. The bit of NaN is 0, or, inverted, 1.
    ///
    /// # Errors
    /// [`Error::Size`] where `words` are not as many as the values fill.
    pub fn pack(&self, level: Level, values: &[f32], words: &mut [u64]) -> Result<(), Error> {
        Error::check_size("words of bits", values.len().div_ceil(WORD), words.len())?;
        let pack = Pack {
            thresholds: self,
            values,
            words,
        };
        dispatch!(level, token => token.run(pack));
        Ok(())
    }

    /// The inverted bits of a word of places from one of a period on.
    #[inline(always)]
    fn inverted(&self, place: usize) -> u64 {
        let (word, bit) = (place / WORD, place % WORD);
        match self.inverted.get(word..word + 2) {
            Some(&[low, high]) => low >> bit | high << 1 << (WORD - 1 - bit),
            _ => 0,
        }
    }
}

struct Pack<'a> {
    thresholds: &'a RealThresholds,
    values: &'a [f32],
    words: &'a mut [u64],
}

impl Kernel for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn call<F: Float>(self, float: F) {
        let thresholds = self.thresholds;
        let mut place = 0;
        for (word, values) in self.words.iter_mut().zip(self.values.chunks(WORD)) {
            let at_least: &[f32; WORD] = thresholds.at_least[place..]
                .first_chunk()
                .expect("a word more than a period");
            let mut bits = 0;
            if let Some(values) = values.first_chunk::<WORD>() {
                for at in (0..WORD).step_by(F::LANES) {
                    let (values, at_least) =
                        (float.load(&values[at..]), float.load(&at_least[at..]));
                    bits |= u64::from(float.bits(float.at_least(values, at_least))) << at;
                }
            } else {
                for (at, (value, at_least)) in values.iter().zip(at_least).enumerate() {
                    bits |= u64::from(value >= at_least) << at;
                }
            }
            let counted = u64::MAX >> (WORD - values.len());
            *word = (bits ^ thresholds.inverted(place)) & counted;
            place += WORD;
            if place >= thresholds.period {
                place -= thresholds.period;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    #[test]
    fn bits_are_those_of_the_comparisons_one_by_one() {
        for channels in [1, 2, 3, 31, 32, 33, 63, 64, 65, 100, 129] {
            for invert in [false, true] {
                let list: Vec<_> = (0..channels)
                    .map(|channel| ((channel % 7) as f32 - 3.0, invert && channel % 3 == 1))
                    .collect();
                let thresholds = RealThresholds::new(&list).expect("channels");
                assert_eq!(thresholds.has_inverted(), invert && channels > 1);
                for len in [0, 1, 63, 64, 65, 127, 128, 200, 1000] {
                    let value = |at: usize| match at % 11 {
                        10 => f32::NAN,
                        _ => (at * 7919 % 13) as f32 - 6.0,
                    };
                    let values: Vec<f32> = (0..len).map(value).collect();
                    let mut expected = vec![0_u64; len.div_ceil(WORD)];
                    for (at, &value) in values.iter().enumerate() {
                        let (at_least, invert) = list[at % channels];
                        let bit = (value >= at_least) != invert;
                        expected[at / WORD] |= u64::from(bit) << (at % WORD);
                    }
                    for level in Level::available() {
                        let mut words = vec![u64::MAX; len.div_ceil(WORD)];
                        thresholds.pack(level, &values, &mut words).expect("sizes");
                        assert_eq!(
                            words, expected,
                            "{level}, {channels} channels, {len} values"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        assert!(RealThresholds::new(&[]).is_err());
        let thresholds = RealThresholds::new(&[(0.0, false)]).expect("channels");
        let (level, values) = (Level::best(), [0.0; 65]);
        assert!(thresholds.pack(level, &values, &mut [0; 1]).is_err());
        assert!(thresholds.pack(level, &values, &mut [0; 3]).is_err());
    }
}
