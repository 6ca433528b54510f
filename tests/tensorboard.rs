//! TensorBoard's own reader on the event files, where Python has it.

use bernet::report::EventWriter;
use serde_json::Value;
use std::process::Command;

#[test]
fn tensorboard_reads_what_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let curves = [
        ("loss", [0.75_f32, 0.5, 1e-3]),
        ("accuracy", [0.1, 0.9, 1.0]),
    ];
    let mut events = EventWriter::create(folder.path()).expect("created");
    for step in 0..3 {
        let values = curves.map(|(name, values)| (name, values[step]));
        events.scalars(step as i64 + 1, &values).expect("written");
    }

    let python = std::env::var("BERNET_PYTHON").unwrap_or("python3".into());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tensorboard_reader.py");
    let output = match Command::new(python).arg(script).arg(folder.path()).output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return println!("no Python: not read by TensorBoard");
        }
        Err(error) => panic!("{error}"),
    };
    if output.status.code() == Some(3) {
        return println!("Python has no tensorboard: not read by it");
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(found.as_object().expect("tags").len(), curves.len());
    for (name, values) in curves {
        let points = found[name].as_array().expect("a curve");
        assert_eq!(points.len(), values.len(), "{name}");
        for ((point, value), step) in points.iter().zip(values).zip(1..) {
            assert_eq!(point[0], step, "{name}");
            assert_eq!(point[1].as_f64().expect("a number") as f32, value, "{name}");
        }
    }
    println!("read by TensorBoard");
}
