//! `bernet predict`: what a model says of pictures.

use super::printable;
use anyhow::{Context, Result, ensure};
use bernet::{
    data::{DigitPicture, read_digit_png},
    infer::Session,
    model::Model,
};
use bernet_kernels::isa::Level;
use std::{io::Write, path::PathBuf};

/// Classify pictures: for each the digit, and by how much its logit exceeds the next.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The model, a .bnet file.
    model: PathBuf,
    /// Pictures of one digit each, dark on bright or bright on dark, of any size.
    #[arg(required = true, value_name = "IMAGE.png")]
    images: Vec<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, out: &mut impl Write) -> Result<()> {
    let model = Model::read(&arguments.model)?;
    let mut session = Session::new(&model, Level::best())?;
    let input = model.input;
    ensure!(
        input.channels == 1,
        "the model reads pictures of {} channels, expected 1",
        input.channels
    );
    let threshold = input.threshold.context(
        "the model reads grey values, pictures are made black and white: use bernet eval",
    )?;
    for path in &arguments.images {
        let picture = read_digit_png(path, input.height, input.width, threshold)?;
        let name = path.display().to_string();
        write!(out, "{}: ", printable(&name))?;
        for said in session.classify(&picture.image)? {
            write!(out, "digit {}, margin {}", said.class, said.margin)?;
        }
        writeln!(out, "{}", changes(&picture))?;
    }
    Ok(())
}

/// What was done to a picture, in brackets.
fn changes(picture: &DigitPicture) -> String {
    let inverted = picture.inverted.then(|| "inverted".to_owned());
    let scaled = picture
        .scaled_from
        .map(|(height, width)| format!("scaled from {width}×{height} pixels"));
    let changes: Vec<_> = inverted.into_iter().chain(scaled).collect();
    match changes.as_slice() {
        [] => String::new(),
        changes => format!(" ({})", changes.join(", ")),
    }
}
