//! A library folder for the Arduino IDE.

use super::{Files, error::ExportError, options::Options};

/// The files of a library folder: paths below it, and texts. `src` has the net, `examples` a
/// sketch that classifies one image.
///
/// # Errors
/// [`ExportError::Name`] where the prefix is none.
pub fn arduino(files: &Files, options: &Options) -> Result<Vec<(String, String)>, ExportError> {
    options.check()?;
    let name = &options.name;
    let upper = name.to_uppercase();
    // A property is a line.
    let source: String = options.source.chars().filter(|c| !c.is_control()).collect();
    let properties = format!(
        "name={name}
version=1.0.0
author=bernet
maintainer=bernet
sentence=A binary neural net as C without floats and heap.
paragraph={source}
category=Data Processing
url=https://docs.rs/bernet
architectures=*
includes={name}.h
"
    );
    let sketch = format!(
        "#include <{name}.h>

static uint32_t arena[{upper}_ARENA_BYTES / 4];
static uint8_t pixels[{upper}_INPUT_BYTES];

void setup() {{
    Serial.begin(115200);
}}

void loop() {{
    /* Fill `pixels` here, a byte a pixel, line by line. */
    Serial.println({name}_classify(arena, pixels));
    delay(1000);
}}
"
    );
    Ok(vec![
        ("library.properties".into(), properties),
        (format!("src/{name}.h"), files.header.clone()),
        (format!("src/{name}.c"), files.source.clone()),
        (format!("examples/{name}/{name}.ino"), sketch),
    ])
}
