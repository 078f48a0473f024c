//! Drawing of charts as SVG with the grid, fonts and colours of [`super::charts`], which the style sheet replaces in the dark theme.

use std::fmt::Write;

use super::words::Escaped;

/// Coordinates are pixels of a chart of this size; the drawing has four units for a pixel, as in the other charts.
pub(super) const FINE: f64 = 4.0;
pub(super) const WIDTH: f64 = 440.0;
pub(super) const HEIGHT: f64 = 340.0;
pub(super) const LEFT: f64 = 58.0;
pub(super) const RIGHT: f64 = WIDTH - 18.0;
pub(super) const TOP: f64 = 44.0;
pub(super) const BOTTOM: f64 = HEIGHT - 48.0;

// Keep in step with charts.rs and style.css.
pub(super) const ACCENT: &str = "#2B53C4";
pub(super) const REFERENCE: &str = "#8A94A3";
pub(super) const GRID: &str = "#E4E8EE";
pub(super) const AXIS: &str = "#B4BDC9";
pub(super) const LABEL: &str = "#566170";
pub(super) const INK: &str = "#18202E";

/// The smallest of 1, 2, 5, 10, 20, 50, … that is not below this.
pub(super) fn round_step(least: f64) -> f64 {
    let mut power = 1.0;
    loop {
        match [1.0, 2.0, 5.0].into_iter().map(|digit| digit * power).find(|&step| step >= least) {
            Some(step) => return step,
            None => power *= 10.0,
        }
    }
}

/// The middle of one of the equal parts of the horizontal axis.
pub(super) fn centre(i: usize, parts: usize) -> f64 {
    LEFT + (RIGHT - LEFT) * (i as f64 + 0.5) / parts as f64
}

fn fine(pixels: f64) -> i32 {
    (pixels * FINE).round() as i32
}

/// The elements of a chart so far.
#[derive(Default)]
pub(super) struct Chart(String);

impl Chart {
    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        self.0.write_fmt(element).expect("a string takes any text");
        self.0.push('\n');
    }

    pub(super) fn text(&mut self, [x, y]: [f64; 2], anchor: &str, colour: &str, words: &str) {
        let (x, y, size, words) = (fine(x), fine(y), fine(12.0), Escaped(words));
        self.add(format_args!(
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\" font-family=\"sans-serif\" font-size=\"{size}\" fill=\"{colour}\">{words}</text>"
        ));
    }

    pub(super) fn rect(&mut self, [x, y, width, height]: [f64; 4], style: &str) {
        let (x, y, width, height) = (fine(x), fine(y), fine(width), fine(height));
        self.add(format_args!("<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" {style}/>"));
    }

    pub(super) fn line(&mut self, points: &[(f64, f64)], colour: &str, width: f64) {
        if points.len() < 2 {
            return;
        }
        let points: Vec<String> = points.iter().map(|&(x, y)| format!("{},{}", fine(x), fine(y))).collect();
        let (points, width) = (points.join(" "), fine(width));
        self.add(format_args!(
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"/>"
        ));
    }

    #[cfg(feature = "subscriptions")]
    pub(super) fn area(&mut self, points: &[(f64, f64)], style: &str) {
        let points: Vec<String> = points.iter().map(|&(x, y)| format!("{},{}", fine(x), fine(y))).collect();
        self.add(format_args!("<polygon points=\"{}\" {style}/>", points.join(" ")));
    }

    pub(super) fn dot(&mut self, (x, y): (f64, f64)) {
        let (x, y, r) = (fine(x), fine(y), fine(4.5));
        self.add(format_args!("<circle cx=\"{x}\" cy=\"{y}\" r=\"{r}\" fill=\"{ACCENT}\"/>"));
    }

    pub(super) fn diamond(&mut self, (x, y): (f64, f64)) {
        let (left, right, top, bottom) = (fine(x - 5.5), fine(x + 5.5), fine(y - 5.5), fine(y + 5.5));
        let (x, y) = (fine(x), fine(y));
        self.add(format_args!(
            "<polygon points=\"{left},{y} {x},{top} {right},{y} {x},{bottom}\" fill=\"{REFERENCE}\"/>"
        ));
    }

    /// A line of the grid with its value.
    pub(super) fn tick(&mut self, y: f64, words: &str) {
        self.line(&[(LEFT, y), (RIGHT, y)], GRID, 1.0);
        self.text([LEFT - 8.0, y + 4.0], "end", LABEL, words);
    }

    /// The axes with a label below the middle of each part of the horizontal one, and their titles. If there are many labels, some
    /// are left out.
    pub(super) fn axes(&mut self, labels: &[String], most: usize, x_title: &str, y_title: &str) {
        let every = labels.len().div_ceil(most).max(1);
        for (i, label) in labels.iter().enumerate().step_by(every) {
            self.text([centre(i, labels.len()), BOTTOM + 18.0], "middle", LABEL, label);
        }
        self.frame(x_title, y_title);
    }

    /// The axes and their titles.
    pub(super) fn frame(&mut self, x_title: &str, y_title: &str) {
        self.line(&[(LEFT, TOP), (LEFT, BOTTOM), (RIGHT, BOTTOM)], AXIS, 1.0);
        self.text([(LEFT + RIGHT) / 2.0, HEIGHT - 8.0], "middle", INK, x_title);
        let (x, y, size) = (fine(14.0), fine((TOP + BOTTOM) / 2.0), fine(13.0));
        self.add(format_args!(
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\" font-family=\"sans-serif\" font-size=\"{size}\" fill=\"{INK}\" \
             transform=\"rotate(-90 {x} {y})\">{y_title}</text>"
        ));
    }

    /// The `svg` element, which fills the width it is given. The summary is for screen readers.
    pub(super) fn finish(self, summary: &str) -> String {
        format!(
            "<svg role=\"img\" aria-label=\"{}\" viewBox=\"0 0 {} {}\">\n{}</svg>\n",
            Escaped(summary),
            fine(WIDTH),
            fine(HEIGHT),
            self.0
        )
    }
}
