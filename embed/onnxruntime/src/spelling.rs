//! Names that attributes do not have, and that people give them.

use std::collections::BTreeSet;

/// What other operators and other libraries call such things. Each is refused by an operator that does not have it.
const OTHERS: [&str; 40] = [
    "activation",
    "alpha",
    "auto_pad",
    "axis",
    "beta",
    "bias",
    "ceil_mode",
    "channel",
    "channels",
    "channels_last",
    "count_include_pad",
    "data_format",
    "dilation",
    "dilation_rate",
    "dilations",
    "group",
    "groups",
    "height",
    "input_shape",
    "input_width",
    "invert",
    "kernel",
    "kernel_shape",
    "kernel_size",
    "pad",
    "pad_mode",
    "pad_value",
    "padding",
    "padding_mode",
    "padding_value",
    "padding_values",
    "pads",
    "pool_size",
    "scale",
    "storage_order",
    "stride",
    "strides",
    "threshold",
    "transB",
    "width",
];

/// Letters that a name of an attribute is made of.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz_";

/// Names that an operator with these attributes does not have: of others, and those that differ from a known one by a letter (one too
/// many, one missing, one wrong, two exchanged), by their case or by a missing underscore.
pub(crate) fn wrong(known: &[&str]) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = OTHERS.map(String::from).into();
    for name in known {
        names.insert(name.to_uppercase());
        names.insert(name.replace('_', ""));
        names.insert(name.replace('_', "-"));
        names.insert(capitals(name, true));
        names.insert(capitals(name, false));
        for at in 0..=name.len() {
            let (before, after) = name.split_at(at);
            let mut rest = after.chars();
            let next = rest.next();
            if next.is_some() {
                names.insert(format!("{before}{}", rest.as_str()));
            }
            for letter in LETTERS.chars() {
                names.insert(format!("{before}{letter}{after}"));
                if next.is_some() {
                    names.insert(format!("{before}{letter}{}", rest.as_str()));
                }
            }
            if let (Some(first), Some(second)) = (next, rest.next()) {
                names.insert(format!("{before}{second}{first}{}", rest.as_str()));
            }
        }
    }
    for name in known {
        names.remove(*name);
    }
    names
}

/// `kernel_shape` as `kernelShape` or `KernelShape`.
fn capitals(name: &str, first: bool) -> String {
    let mut capital = first;
    let mut result = String::new();
    for letter in name.chars() {
        match letter {
            '_' => capital = true,
            letter if capital => {
                result.extend(letter.to_uppercase());
                capital = false;
            }
            letter => result.push(letter),
        }
    }
    result
}
