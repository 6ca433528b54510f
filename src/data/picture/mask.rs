//! Which pixels are ink, and which of those are no part of a digit: frames and specks.

/// Frames lie within this share of the sides, from the edge of what they frame.
const BAND: usize = 8;

/// Ink of less than one part in so many of the largest connected one is a speck.
const SPECK: usize = 12;

/// The pixels that are ink.
#[derive(Clone)]
pub(super) struct Mask {
    height: usize,
    width: usize,
    ink: Vec<bool>,
}

/// Ink pixels that touch one another, diagonally too.
struct Component {
    pixels: Vec<u32>,
    /// First line, line after the last, first column, column after the last.
    extent: [usize; 4],
}

impl Mask {
    /// The pixels, by their place in the picture, that are ink.
    pub(super) fn new(height: usize, width: usize, is_ink: impl Fn(usize) -> bool) -> Self {
        let ink = (0..height * width).map(is_ink).collect();
        Self { height, width, ink }
    }

    /// Whether a pixel is ink.
    pub(super) fn at(&self, y: usize, x: usize) -> bool {
        self.ink[y * self.width + x]
    }

    /// The number of ink pixels.
    pub(super) fn area(&self) -> usize {
        self.ink.iter().filter(|&&ink| ink).count()
    }

    /// Sides of ink pixels that border on paper or on the edge of the picture.
    pub(super) fn perimeter(&self) -> usize {
        let paper = |y: usize, x: usize| y >= self.height || x >= self.width || !self.at(y, x);
        let sides = |y: usize, x: usize| {
            let near = [
                (y.wrapping_sub(1), x),
                (y + 1, x),
                (y, x.wrapping_sub(1)),
                (y, x + 1),
            ];
            near.into_iter().filter(|&(y, x)| paper(y, x)).count()
        };
        let places = (0..self.height).flat_map(|y| (0..self.width).map(move |x| (y, x)));
        places
            .filter(|&(y, x)| self.at(y, x))
            .map(|(y, x)| sides(y, x))
            .sum()
    }

    /// First line, line after the last, first column, column after the last; none without ink.
    pub(super) fn extent(&self) -> Option<[usize; 4]> {
        let in_line = |y: &usize| self.ink[y * self.width..][..self.width].contains(&true);
        let in_column = |x: &usize| (0..self.height).any(|y| self.at(y, *x));
        Some([
            (0..self.height).find(in_line)?,
            (0..self.height).rfind(in_line)? + 1,
            (0..self.width).find(in_column)?,
            (0..self.width).rfind(in_column)? + 1,
        ])
    }

    /// Removes frames: dark lines at the edges of a scan or of a box on a form.
    ///
    /// * Where at least three sides of the picture have, within an eighth of them, a line that is ink
    ///   for 85 % of its length, all is removed from the edges to these lines, even if the digit
    ///   touches them. No digit has three such sides.
    /// * Connected ink is removed that lies wholly within an eighth of the edges and is three quarters
    ///   of a side long; and a rectangle: ink of which 95 % lies within an eighth of its own edges, with
    ///   other ink inside.
    ///
    /// A picture of nothing else keeps its ink.
    pub(super) fn remove_frames(&mut self) {
        let before = self.ink.clone();
        self.remove_box();
        let components = self.components();
        let largest = |outside: &Component| {
            let others = components
                .iter()
                .filter(|other| !std::ptr::eq(*other, outside));
            others
                .filter(|other| outside.surrounds(other))
                .map(|other| other.pixels.len())
                .max()
        };
        for component in &components {
            let whole = [0, self.height, 0, self.width];
            let is_edge =
                component.spans(whole) && self.in_band(component, whole) == component.pixels.len();
            let is_box = largest(component).unwrap_or(0) * SPECK >= component.pixels.len()
                && self.in_band(component, component.extent) * 20 >= component.pixels.len() * 19;
            if is_edge || is_box {
                component
                    .pixels
                    .iter()
                    .for_each(|&at| self.ink[at as usize] = false);
            }
        }
        if !self.ink.contains(&true) {
            self.ink = before;
        }
    }

    /// Removes connected ink that is small beside the largest.
    pub(super) fn remove_specks(&mut self) {
        let components = self.components();
        let largest = components
            .iter()
            .map(|component| component.pixels.len())
            .max();
        for component in &components {
            if component.pixels.len() * SPECK < largest.unwrap_or(0) {
                component
                    .pixels
                    .iter()
                    .for_each(|&at| self.ink[at as usize] = false);
            }
        }
    }

    /// Clears the edges to the lines of a frame of three or four sides.
    fn remove_box(&mut self) {
        let (height, width) = (self.height, self.width);
        let row = |y: usize| (0..width).filter(|&x| self.at(y, x)).count() * 20 >= width * 17;
        let column = |x: usize| (0..height).filter(|&y| self.at(y, x)).count() * 20 >= height * 17;
        // The innermost line of a frame, counted from its edge.
        let depth = |side: usize, is_line: &dyn Fn(usize) -> bool| {
            (0..side.div_ceil(BAND))
                .rfind(|&at| is_line(at))
                .map_or(0, |at| at + 1)
        };
        let top = depth(height, &row);
        let bottom = height - depth(height, &|y| row(height - 1 - y));
        let left = depth(width, &column);
        let right = width - depth(width, &|x| column(width - 1 - x));
        let sides = [top > 0, bottom < height, left > 0, right < width];
        if sides.into_iter().filter(|&found| found).count() < 3 {
            return;
        }
        for y in 0..height {
            for x in 0..width {
                let inside = (top..bottom).contains(&y) && (left..right).contains(&x);
                self.ink[y * width + x] &= inside;
            }
        }
    }

    /// How many of the component's pixels lie within an eighth of the edges of a rectangle.
    fn in_band(&self, component: &Component, [top, bottom, left, right]: [usize; 4]) -> usize {
        let near = |at: usize, from: usize, to: usize| {
            let band = (to - from).div_ceil(BAND);
            at < from + band || at + band >= to
        };
        let place = |at: u32| (at as usize / self.width, at as usize % self.width);
        let pixels = component.pixels.iter().map(|&at| place(at));
        pixels
            .filter(|&(y, x)| near(y, top, bottom) || near(x, left, right))
            .count()
    }

    fn components(&self) -> Vec<Component> {
        let mut seen = vec![false; self.ink.len()];
        let mut components = Vec::new();
        for start in 0..self.ink.len() {
            if !self.ink[start] || seen[start] {
                continue;
            }
            seen[start] = true;
            let mut component = Component {
                pixels: vec![start as u32],
                extent: [self.height, 0, self.width, 0],
            };
            let mut next = 0;
            while let Some(&at) = component.pixels.get(next) {
                next += 1;
                let (y, x) = (at as usize / self.width, at as usize % self.width);
                let [top, bottom, left, right] = component.extent;
                component.extent = [top.min(y), bottom.max(y + 1), left.min(x), right.max(x + 1)];
                for y in y.saturating_sub(1)..(y + 2).min(self.height) {
                    for x in x.saturating_sub(1)..(x + 2).min(self.width) {
                        let near = y * self.width + x;
                        if self.ink[near] && !seen[near] {
                            seen[near] = true;
                            component.pixels.push(near as u32);
                        }
                    }
                }
            }
            components.push(component);
        }
        components
    }
}

impl Component {
    /// Whether it is at least three quarters as high or as wide as a rectangle.
    fn spans(&self, [top, bottom, left, right]: [usize; 4]) -> bool {
        let [first, last, begin, end] = self.extent;
        (last - first) * 4 >= (bottom - top) * 3 || (end - begin) * 4 >= (right - left) * 3
    }

    /// Whether the other lies within its rectangle, away from the sides.
    fn surrounds(&self, other: &Self) -> bool {
        let ([top, bottom, left, right], [first, last, begin, end]) = (self.extent, other.extent);
        top < first && last < bottom && left < begin && end < right
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(lines: &[&str]) -> Mask {
        let width = lines[0].len();
        let text = lines.concat();
        Mask::new(lines.len(), width, |at| text.as_bytes()[at] == b'#')
    }

    #[test]
    fn frames_go_and_digits_stay() {
        let seven = ["......", ".####.", "....#.", "...#..", "..#...", "......"];
        let mut plain = mask(&seven);
        let area = plain.area();
        plain.remove_frames();
        assert_eq!(plain.area(), area);

        let framed: Vec<String> = std::iter::once("########".to_owned())
            .chain(seven.iter().map(|line| format!("#{line}#")))
            .chain(["########".to_owned()])
            .collect();
        let mut framed = mask(&framed.iter().map(String::as_str).collect::<Vec<_>>());
        framed.remove_frames();
        assert_eq!(framed.area(), area);
        assert_eq!(framed.extent(), Some([2, 6, 2, 6]));

        // A seven that fills its picture keeps its bar, and a one is not an edge.
        for lines in [
            ["####", "..#.", ".#..", "#..."],
            ["#...", "#...", "#...", "#..."],
        ] {
            let mut filled = mask(&lines);
            let area = filled.area();
            filled.remove_frames();
            assert_eq!(filled.area(), area);
        }
    }

    #[test]
    fn specks_go_and_the_parts_of_a_digit_stay() {
        let mut bar = mask(&[
            "#.......", "..######", "..######", "..######", "..######", "..##...#",
        ]);
        bar.remove_specks();
        assert_eq!(bar.area(), 27);
        assert_eq!(bar.extent(), Some([1, 6, 2, 8]));
    }

    #[test]
    fn the_perimeter_counts_sides() {
        assert_eq!(mask(&["....", ".##.", "...."]).perimeter(), 6);
        assert_eq!(mask(&["##", "##"]).perimeter(), 8);
        assert_eq!(mask(&["..", ".."]).extent(), None);
    }
}
