//! `bernet predict`: what a model says of pictures.

use super::{describe, printable};
use anyhow::{Context, Result, bail, ensure};
use bernet::{
    data::{DigitPicture, decode_digit_png, read_digit_png},
    infer::{Prediction, Session},
    model::{Input, Model},
};
use bernet_kernels::isa::Level;
use serde_json::{Value, json};
use std::{
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// A picture from stdin may take so many bytes: as many as the largest one that is read has pixels.
const MOST_BYTES: u64 = 64 << 20;

/// Classify pictures: for each the digit, and by how much its logit exceeds the next.
///
/// Each picture is brought into the form of MNIST's digits first: ink is told from the paper around it,
/// frames are removed, and the digit is scaled and centred, whatever the picture's size. A picture that
/// cannot be read does not end the batch; the exit code is then 1.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The model, a .bnet file.
    model: PathBuf,
    /// Pictures of one digit each, dark on bright or bright on dark, of any size; `-` is stdin.
    #[arg(required = true, value_name = "IMAGE.png")]
    images: Vec<PathBuf>,
    /// One JSON object a line for each picture: image, class, margin, logits and what was found in it;
    /// or image and error.
    #[arg(long)]
    json: bool,
    /// Also print the logits, class 0 first.
    #[arg(long, conflicts_with = "json")]
    logits: bool,
}

/// What a model says of one picture.
struct Said {
    prediction: Prediction,
    logits: Vec<f64>,
    picture: DigitPicture,
}

pub(super) fn run(arguments: &Arguments, out: &mut impl Write) -> Result<()> {
    let model = Model::read(&arguments.model)?;
    let mut session = Session::new(&model, Level::best())?;
    ensure!(
        model.input.channels == 1,
        "the model reads pictures of {} channels, expected 1",
        model.input.channels
    );
    let mut failed = 0;
    for path in &arguments.images {
        let name = path.display().to_string();
        let said = predict(&mut session, &model.input, path);
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

/// What the model says of a picture in a file, or in stdin.
fn predict(session: &mut Session, input: &Input, path: &Path) -> Result<Said> {
    // A net of grey values does without the bits.
    let threshold = input.threshold.unwrap_or(bernet::data::THRESHOLD);
    let picture = if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        let read = io::stdin().lock().take(MOST_BYTES).read_to_end(&mut bytes);
        read.context("-: stdin")?;
        decode_digit_png(path, &bytes, input.height, input.width, threshold)?
    } else {
        read_digit_png(path, input.height, input.width, threshold)?
    };
    let image = input.binarise(&picture.grey)?;
    let logits = session.real_logits(&image)?;
    let prediction = session.classify(&image)?[0];
    Ok(Said {
        prediction,
        logits,
        picture,
    })
}

impl Said {
    /// The class, the margin, and what was found in the picture.
    fn text(&self, logits: bool) -> String {
        let Prediction { class, margin } = self.prediction;
        let (height, width) = self.picture.size;
        let inverted = if self.picture.inverted {
            "inverted, "
        } else {
            ""
        };
        let mut text =
            format!("digit {class}, margin {margin} ({inverted}{width}×{height} pixels)");
        if logits {
            let numbers: Vec<String> = self.logits.iter().map(f64::to_string).collect();
            text += &format!(", logits {}", numbers.join(" "));
        }
        text
    }

    fn json(&self, name: &str) -> Value {
        let (height, width) = self.picture.size;
        json!({
            "image": name,
            "class": self.prediction.class,
            "margin": self.prediction.margin,
            "logits": self.logits,
            "inverted": self.picture.inverted,
            "width": width,
            "height": height,
        })
    }
}
