//! Pictures of more than sixty kinds, each with its right digit.
//!
//! Each kind draws embedded test digits another way: sizes, colours, depths, transparency, paper,
//! light, frames, noise. `models/mnist.bnet` must read every digit of every kind.
//! `BERNET_PICTURES=100 cargo test --release --test pictures -- --nocapture` takes so many digits,
//! right or not on the original, and prints the share that is read right in each kind.

mod canvas;
mod kinds;

use bernet::{
    classify::Classifier,
    data::{decode_digit_png, load_embedded},
};
use bernet_kernels::isa::Level;
use bernet_runtime::format;
use kinds::kinds;
use std::path::Path;

/// What the net says of a picture, by name for a failure.
fn read(classifier: &mut Classifier, picture: &[u8]) -> Result<usize, String> {
    let digit = decode_digit_png(Path::new("digit.png"), picture, 28, 28, 128)
        .map_err(|error| error.to_string())?;
    let said = classifier
        .pictures(&digit.grey)
        .and_then(|images| classifier.classify(&images))
        .map_err(|error| error.to_string())?;
    Ok(said[0].class)
}

#[test]
fn every_kind_of_picture_is_read() {
    let kinds = kinds();
    assert!(kinds.len() >= 60, "{} kinds", kinds.len());
    let graph = format::read("models/mnist.bnet").unwrap();
    let mut classifier = Classifier::new(&graph, Level::best()).unwrap();
    let test = load_embedded().test;
    let asked = std::env::var("BERNET_PICTURES").ok();
    let places: Vec<usize> = match asked.as_deref() {
        Some(count) => (0..count.parse().expect("a number")).collect(),
        None => {
            // For each class the first digit that the net is sure of: the pictures are tried, not
            // the net.
            let images = classifier.images(&test).unwrap();
            let said = classifier.classify(&images).unwrap();
            let is_sure = |class: u8, place: &usize| {
                test.labels()[*place] == class
                    && said[*place].class == usize::from(class)
                    && said[*place].margin >= 150.0
            };
            let first = |class| (0..test.len()).find(|place| is_sure(class, place));
            (0..10)
                .map(|class| first(class).expect("a sure one"))
                .collect()
        }
    };
    let mut wrong = Vec::new();
    for (name, draw) in &kinds {
        let mut right = 0;
        for &place in &places {
            let label = usize::from(test.labels()[place]);
            match read(&mut classifier, &draw(&test.select(&[place]))) {
                Ok(class) if class == label => right += 1,
                said => wrong.push(format!("{name}: {label} is read as {said:?}")),
            }
        }
        if asked.is_some() {
            println!(
                "{:5.1} % {name}",
                100.0 * f64::from(right) / places.len() as f64
            );
        }
    }
    if asked.is_none() {
        println!(
            "{} kinds, {} pictures",
            kinds.len(),
            kinds.len() * places.len()
        );
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
