//! `bernet predict`: what a model says of pictures.

use super::{describe, net::PictureNet, printable};
use anyhow::{Context, Result, bail, ensure};
use bernet::{
    classify::{Classifier, Prediction},
    data,
};
use bernet_kernels::isa::Level;
use bernet_runtime::graph::Pixels;
use serde_json::{Value, json};
use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// A picture from stdin may take so many bytes: as many as the largest one that is read has pixels.
const MOST_BYTES: u64 = 64 << 20;

/// Classify pictures: for each the class, and by how much its logit exceeds the next.
///
/// For a net of one channel each picture is brought into the form of MNIST's digits first: ink is told
/// from the paper around it, frames are removed, and the digit is scaled and centred, whatever the
/// picture's size. For a net of three channels, or with `--as-is`, the whole picture is scaled to the
/// size that the net reads. A picture that cannot be read does not end the batch; the exit code is then 1.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    net: PictureNet,
    /// Pictures, for digits one each, dark on bright or bright on dark, of any size; `-` is stdin.
    #[arg(required = true, value_name = "IMAGE.png")]
    images: Vec<PathBuf>,
    /// Take pictures as they are, scaled to the size that the net reads.
    #[arg(long)]
    as_is: bool,
    /// One JSON object a line for each picture: image, class, margin, logits and what was found in it;
    /// or image and error.
    #[arg(long)]
    json: bool,
    /// Also print the logits, class 0 first.
    #[arg(long, conflicts_with = "json")]
    logits: bool,
}

/// What a net says of one picture.
struct Said {
    prediction: Prediction,
    logits: Vec<f64>,
    picture: Picture,
}

/// A picture as a net takes it.
struct Picture {
    pixels: Vec<u8>,
    /// Height and width in its file.
    size: (usize, usize),
    /// Of a digit, whether it was dark on bright.
    inverted: Option<bool>,
}

pub(super) fn run(arguments: &Arguments, out: &mut impl Write) -> Result<()> {
    let mut classifier = Classifier::new(&arguments.net.read()?, Level::best())?;
    let channels = classifier.shape().channels;
    ensure!(
        matches!(channels, 1 | 3),
        "the net reads pictures of {channels} channels, expected 1 or 3"
    );
    let as_digits = channels == 1 && !arguments.as_is;
    let mut failed = 0;
    for path in &arguments.images {
        let name = path.display().to_string();
        let said = predict(&mut classifier, path, as_digits);
        match said {
            Ok(said) if arguments.json => writeln!(out, "{}", said.json(&name))?,
            Ok(said) => {
                writeln!(out, "{}: {}", printable(&name), said.text(arguments.logits))?;
            }
            Err(error) => {
                failed += 1;
                let text = describe(&error);
                if arguments.json {
                    writeln!(out, "{}", json!({ "image": name, "error": text }))?;
                } else if arguments.images.len() == 1 {
                    return Err(error);
                } else {
                    // In order with the answers, which may go to the same place.
                    out.flush()?;
                    super::complain(&text);
                }
            }
        }
    }
    if failed > 0 {
        bail!(
            "{failed} of {} pictures could not be read",
            arguments.images.len()
        );
    }
    Ok(())
}

/// What the net says of a picture in a file, or in stdin.
fn predict(classifier: &mut Classifier, path: &Path, as_digit: bool) -> Result<Said> {
    let picture = read(classifier, path, as_digit)?;
    let logits = classifier.logits(&classifier.pictures(&picture.pixels)?)?;
    Ok(Said {
        prediction: logits.predictions(classifier.classes())[0],
        logits: logits.to_f64(),
        picture,
    })
}

fn read(classifier: &Classifier, path: &Path, as_digit: bool) -> Result<Picture> {
    let mut stdin = Vec::new();
    let is_stdin = path.as_os_str() == "-";
    if is_stdin {
        let read = io::stdin().lock().take(MOST_BYTES).read_to_end(&mut stdin);
        read.context("-: stdin")?;
    }
    let shape = classifier.shape();
    if !as_digit {
        let picture = if is_stdin {
            data::decode_png(path, &stdin, shape.dims())?
        } else {
            data::read_png(path, shape.dims())?
        };
        return Ok(Picture {
            pixels: picture.pixels,
            size: picture.size,
            inverted: None,
        });
    }
    // A net of grey values does without the bits.
    let threshold = match classifier.pixels() {
        Pixels::AtLeast(threshold) => *threshold,
        _ => data::THRESHOLD,
    };
    let picture = if is_stdin {
        data::decode_digit_png(path, &stdin, shape.height, shape.width, threshold)?
    } else {
        data::read_digit_png(path, shape.height, shape.width, threshold)?
    };
    Ok(Picture {
        pixels: picture.grey,
        size: picture.size,
        inverted: Some(picture.inverted),
    })
}

impl Said {
    /// The class, the margin, and what was found in the picture.
    fn text(&self, logits: bool) -> String {
        let Prediction { class, margin } = self.prediction;
        let (height, width) = self.picture.size;
        let what = if self.picture.inverted.is_some() {
            "digit"
        } else {
            "class"
        };
        let inverted = if self.picture.inverted == Some(true) {
            "inverted, "
        } else {
            ""
        };
        let mut text =
            format!("{what} {class}, margin {margin} ({inverted}{width}×{height} pixels)");
        if logits {
            let numbers: Vec<String> = self.logits.iter().map(f64::to_string).collect();
            text += &format!(", logits {}", numbers.join(" "));
        }
        text
    }

    fn json(&self, name: &str) -> Value {
        let Prediction { class, margin } = self.prediction;
        let (height, width) = self.picture.size;
        // Sums are integers, and so is what one exceeds another by.
        let margin = if margin.fract() == 0.0 {
            json!(margin as i64)
        } else {
            json!(margin)
        };
        json!({
            "image": name,
            "class": class,
            "margin": margin,
            "logits": self.logits,
            "inverted": self.picture.inverted.unwrap_or(false),
            "width": width,
            "height": height,
        })
    }
}
