//! `bernet train` and `eval` on data of other sizes than MNIST's.

use std::{fs, path::Path, process::Command};

fn bernet(arguments: &[&str]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_bernet"))
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.success(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// IDX files of 10×9 pixels in `channels`, in three classes: the brightest third of the columns.
fn write_stripes(folder: &Path, channels: usize) {
    let write = |name: &str, dimensions: &[usize], values: Vec<u8>| {
        let mut bytes = vec![0, 0, 8, dimensions.len() as u8];
        for &size in dimensions {
            bytes.extend((size as u32).to_be_bytes());
        }
        fs::write(folder.join(name), [bytes, values].concat()).unwrap();
    };
    for (part, count) in [("train", 300), ("t10k", 60)] {
        let value = |at: usize| {
            let (image, x) = (at / (90 * channels), at / channels % 9);
            let noise = (at * 7919 + image * 104_729) % 97;
            noise + if x / 3 == image % 3 { 120 } else { 20 }
        };
        let values = (0..count * 90 * channels).map(|at| value(at) as u8);
        let size = [count, 10, 9, channels];
        let dimensions = if channels == 1 { 3 } else { 4 };
        let images = format!("{part}-images-idx{dimensions}-ubyte");
        write(&images, &size[..dimensions], values.collect());
        let labels = (0..count).map(|image| (image % 3) as u8);
        write(
            &format!("{part}-labels-idx1-ubyte"),
            &[count],
            labels.collect(),
        );
    }
}

fn net(input: &str) -> String {
    format!(
        "input = {{ {input} }}\nlayer = [{{ kind = \"conv\", outputs = 8, kernel = [3, 3] }}, {{ kind = \"dense\", outputs = 16 }}, \
         {{ kind = \"expectation\", classes = 3 }}]"
    )
}

#[test]
fn images_of_any_size_and_colour_are_trained_on_and_evaluated() {
    for (channels, input) in [
        (1, "height = 10, width = 9, grey = true"),
        (3, "height = 10, width = 9, channels = 3, bytes = true"),
        (3, "height = 8, width = 9, channels = 3"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        write_stripes(folder.path(), channels);
        let (data, file, out) = (
            folder.path(),
            folder.path().join("net.toml"),
            folder.path().join("out"),
        );
        fs::write(&file, net(input)).unwrap();
        let [data, file, out] = [data, &file, &out].map(|path| path.to_str().unwrap());
        let arguments = ["train", "--data", data, "--net", file, "--out", out];
        let (done, _, log) =
            bernet(&[&arguments[..], &["--method", "ste", "--epochs", "20"]].concat());
        assert!(done, "{log}");
        assert!(
            log.contains("275 images to train on, 25 to choose by, 60 to test"),
            "{log}"
        );
        let cropped = "the net reads 8×9 pixels: images of 10×9 are cropped to their centre";
        assert_eq!(log.contains(cropped), input.contains("height = 8"), "{log}");
        let model = format!("{out}/model.bnet");
        let (done, said, log) = bernet(&["eval", &model, "--data", data]);
        assert!(done, "{log}");
        let percent: f64 = said.split_whitespace().nth(1).unwrap().parse().unwrap();
        assert!(percent > 90.0, "{input}: {said}");
    }
}

#[test]
fn images_with_other_channels_than_the_net_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    write_stripes(folder.path(), 3);
    let file = folder.path().join("net.toml");
    fs::write(&file, net("height = 10, width = 9")).unwrap();
    let [data, file] = [folder.path(), &file].map(|path| path.to_str().unwrap());
    let (done, _, log) = bernet(&[
        "train",
        "--data",
        data,
        "--net",
        file,
        "--out",
        &format!("{data}/out"),
    ]);
    let expected = "size of the images: expected at least 10×9×1, found 10×9×3";
    assert!(!done && log.contains(expected), "{log}");
}
