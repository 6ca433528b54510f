//! Small bit images with captions.

use super::escape;
use std::fmt::Write;

/// One bit image and the words below it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Picture {
    height: usize,
    width: usize,
    ink: Vec<bool>,
    caption: String,
}

impl Picture {
    /// A picture of `height × width` pixels; `ink(y, x)` says which are dark. A line break
    /// in the caption is kept.
    ///
    /// ```
    /// use bernet::report::Picture;
    ///
    /// let stroke = Picture::new(3, 4, "label 1, read as 7", |_, x| x >= 2);
    /// assert!(stroke.to_html().contains("M2 0h2v1h-2zM2 1h2v1h-2zM2 2h2v1h-2z"));
    /// ```
    pub fn new(
        height: usize,
        width: usize,
        caption: impl Into<String>,
        mut ink: impl FnMut(usize, usize) -> bool,
    ) -> Self {
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
        Self {
            height,
            width,
            ink: pixels.map(|(y, x)| ink(y, x)).collect(),
            caption: caption.into(),
        }
    }

    /// A `<figure>`: the picture as SVG, a rectangle for each run of ink, which is smaller than a
    /// PNG in base 64 and follows the page's colours.
    pub fn to_html(&self) -> String {
        let mut path = String::new();
        for (y, line) in self.ink.chunks(self.width.max(1)).enumerate() {
            let mut x = 0;
            for run in line.chunk_by(|left, right| left == right) {
                if run[0] {
                    let length = run.len();
                    write!(path, "M{x} {y}h{length}v1h-{length}z")
                        .expect("writing to a string succeeds");
                }
                x += run.len();
            }
        }
        let (height, width, caption) = (self.height, self.width, escape(&self.caption));
        format!(
            "<figure><svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{caption}\"><path d=\"{path}\"/></svg>\
             <figcaption>{caption}</figcaption></figure>\n"
        )
    }
}
