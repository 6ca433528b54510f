//! Images with the host's logits, for a check on the device.

use super::{
    code::{Code, bit_words, integer},
    error::ExportError,
    net::Net,
    options::Options,
};
use bernet_runtime::{
    graph::{Graph, Kind},
    passes::{self, Passes},
    plan,
    session::Session,
    tensor::{Data, Tensor},
};

/// `NAME_test.h`: images of black and white pixels, their labels, and the host's logits.
///
/// `images` holds a bit a pixel, image by image in the order of the net's input; white is a byte
/// of 255. The logits are those that the functions of C give.
///
/// # Errors
/// [`ExportError`] as [`export`](super::export), and where pixels and labels do not suit the net.
pub fn test_vectors(
    graph: &Graph,
    options: &Options,
    images: &[bool],
    labels: &[u8],
) -> Result<String, ExportError> {
    options.check()?;
    let mut graph = passes::run(graph, &Passes::default())?;
    let net = Net::new(&graph)?;
    let (input, output) = (net.value(net.input), net.output);
    let pixels = input.shape.len();
    let expected = pixels.checked_mul(labels.len());
    if expected != Some(images.len()) || labels.is_empty() {
        return Err(ExportError::Images {
            pixels,
            labels: labels.len(),
            found: images.len(),
        });
    }
    let data = match input.kind {
        Kind::Bit => Data::Bit(images.to_vec()),
        _ => Data::U8(images.iter().map(|&white| 255 * u8::from(white)).collect()),
    };
    graph.outputs[0].value = output;
    let refuse = |error: &dyn std::fmt::Display| ExportError::Run(error.to_string());
    let items = Tensor::new(labels.len(), input.shape, data).map_err(|error| refuse(&error))?;
    let mut session =
        Session::new(&graph, &plan::Options::default()).map_err(|error| refuse(&error))?;
    let outputs = session.run(&[items]).map_err(|error| refuse(&error))?;
    let logits: Vec<i32> = match outputs[0].data() {
        Data::Bit(bits) => bits.iter().map(|&bit| if bit { 1 } else { -1 }).collect(),
        Data::U8(values) => values.iter().map(|&value| value.into()).collect(),
        Data::I32(values) => values.clone(),
        Data::F32(_) => unreachable!("floats are refused"),
    };
    let name = &options.name;
    let upper = name.to_uppercase();
    let mut code = Code::default();
    code.line(format!(
        "/* Images, labels, and the logits that {name}_run is to give. */"
    ));
    code.line("#include <stdint.h>");
    code.line("");
    code.line(format!("#define {upper}_TEST_IMAGES {}", labels.len()));
    code.line(
        "/* A bit a pixel, the first in the lowest bit of the first word; 1 is white, 255. */",
    );
    let words = pixels.div_ceil(32);
    let kind = format!("static const uint32_t {name}_test_bits[{}]", labels.len());
    rows(
        &mut code,
        &format!("{kind}[{words}]"),
        images
            .chunks(pixels)
            .map(|image| bit_words(image.iter().copied())),
    );
    let labels_text = labels.iter().map(u8::to_string).collect::<Vec<_>>();
    code.array("uint8_t", &format!("{name}_test_labels"), &labels_text);
    let classes = logits.len() / labels.len();
    let kind = format!("static const int32_t {name}_test_logits[{}]", labels.len());
    rows(
        &mut code,
        &format!("{kind}[{classes}]"),
        logits
            .chunks(classes)
            .map(|logits| logits.iter().map(|&logit| integer(logit)).collect()),
    );
    Ok(code.into_text())
}

/// An array of rows, a row a line.
fn rows(code: &mut Code, declaration: &str, rows: impl Iterator<Item = Vec<String>>) {
    code.open(format!("{declaration} ="));
    for row in rows {
        code.line(format!("{{ {} }},", row.join(", ")));
    }
    code.end("};");
}
