//! The charts, drawn as SVG with the colours of the light theme. The style sheet matches these colours by their attributes
//! and replaces them in the dark theme.

use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::words::{Escaped, decimal, whole_percent};
use crate::metrics::Point;

/// The scale of the drawing grid. The backend has whole pixels only, so curves are drawn on a finer grid that the view box
/// scales down.
const FINE: i32 = 4;
const WIDTH: i32 = 440;
const HEIGHT: i32 = 340;

// Keep in step with style.css.
const ACCENT: RGBColor = RGBColor(0x2B, 0x53, 0xC4);
const REFERENCE: RGBColor = RGBColor(0x8A, 0x94, 0xA3);
const GRID: RGBColor = RGBColor(0xE4, 0xE8, 0xEE);
const AXIS: RGBColor = RGBColor(0xB4, 0xBD, 0xC9);
const LABEL: RGBColor = RGBColor(0x56, 0x61, 0x70);
const INK: RGBColor = RGBColor(0x18, 0x20, 0x2E);

/// A curve over a share, with a reference line.
pub(super) struct Plot<'a> {
    /// The description of the chart, for screen readers.
    pub(super) summary: String,
    pub(super) x_label: &'a str,
    pub(super) y_label: &'a str,
    pub(super) curve: &'a [Point],
    /// The dashed reference line.
    pub(super) reference: [Point; 2],
    /// True to draw points on the curve instead of an area beneath it.
    pub(super) dots: bool,
    /// A highlighted point with its label.
    pub(super) highlight: Option<(Point, String)>,
    pub(super) height: Height,
}

/// The range of the y axis.
#[derive(Clone, Copy)]
pub(super) enum Height {
    /// A share, 0 to 1.
    Share,
    /// Money, from the lowest to the highest value.
    Money(f64, f64),
}

impl Height {
    fn range(self) -> (f64, f64) {
        match self {
            Height::Share => (0.0, 1.0),
            Height::Money(low, high) => (low, high),
        }
    }

    fn label(self, value: f64) -> String {
        match self {
            Height::Share => whole_percent(value),
            Height::Money(low, high) if high - low < 10.0 => decimal(value, 2),
            Height::Money(..) => decimal(value, 0),
        }
    }
}

type Panel<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Draws the plot as an `svg` element that fills the width it is given.
pub(super) fn svg(plot: &Plot<'_>) -> String {
    let mut drawing = String::new();
    {
        let root = SVGBackend::with_string(&mut drawing, ((WIDTH * FINE) as u32, (HEIGHT * FINE) as u32));
        // The backend only appends to the string: it has no way to fail.
        draw(plot, &root.into_drawing_area()).expect("drawing into a string cannot fail");
    }
    let body = drawing.split_once('>').map_or("", |(_, body)| body);
    format!(
        "<svg role=\"img\" aria-label=\"{}\" viewBox=\"0 0 {} {}\">{body}",
        Escaped(&plot.summary),
        WIDTH * FINE,
        HEIGHT * FINE,
    )
}

fn draw<'a>(
    plot: &Plot<'_>,
    root: &DrawingArea<SVGBackend<'a>, plotters::coord::Shift>,
) -> Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>> {
    let (low, high) = plot.height.range();
    let inside = |(x, y): Point| inside((x, y), low, high);
    let mut panel = ChartBuilder::on(root)
        .margin_top(10 * FINE)
        .margin_right(18 * FINE)
        .margin_left(2 * FINE)
        .margin_bottom(4 * FINE)
        .x_label_area_size(44 * FINE)
        .y_label_area_size(if matches!(plot.height, Height::Share) { 58 } else { 78 } * FINE)
        .build_cartesian_2d(0.0..1.0, low..high)?;
    let label = |share: &f64| whole_percent(*share);
    let y_label = |value: &f64| plot.height.label(*value);
    panel
        .configure_mesh()
        .disable_x_mesh()
        .bold_line_style(GRID.stroke_width(FINE as u32))
        .light_line_style(TRANSPARENT)
        .axis_style(AXIS.stroke_width(FINE as u32))
        .set_all_tick_mark_size(4 * FINE)
        .x_labels(6)
        .y_labels(6)
        .x_label_formatter(&label)
        .y_label_formatter(&y_label)
        .label_style(font(12.0, &LABEL))
        .x_desc(plot.x_label)
        .y_desc(plot.y_label)
        .axis_desc_style(font(13.0, &INK))
        .draw()?;

    let reference = plot.reference.map(inside);
    panel.draw_series(LineSeries::new(reference, REFERENCE.stroke_width(2 * FINE as u32)))?;
    let curve: Vec<Point> = plot.curve.iter().copied().map(inside).collect();
    if !plot.dots {
        panel.draw_series(AreaSeries::new(curve.iter().copied(), low.max(0.0).min(high), ACCENT.mix(0.08)))?;
    }
    panel.draw_series(LineSeries::new(curve.iter().copied(), ACCENT.stroke_width(5 * FINE as u32 / 2)))?;
    if plot.dots {
        let dot = |&point: &Point| Circle::new(point, 4 * FINE, ACCENT.filled());
        panel.draw_series(curve.iter().map(dot))?;
    }
    if let Some((point, text)) = &plot.highlight {
        let falls = curve.first().map(|first| first.1) > curve.last().map(|last| last.1);
        mark(&mut panel, inside(*point), (point.1 - low) / (high - low), text, falls)?;
    }
    Ok(())
}

/// Draws a point with its label below it, on the side away from the curve.
fn mark<'a>(
    panel: &mut Panel<'_, 'a>,
    point: Point,
    height: f64,
    text: &str,
    falls: bool,
) -> Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>> {
    let (side, shift) =
        if point.0 > if falls { 0.2 } else { 0.55 } { (HPos::Right, -12 * FINE) } else { (HPos::Left, 12 * FINE) };
    // Close to the axis there is no room below.
    let (edge, drop) = if height < 0.15 { (VPos::Bottom, -12 * FINE) } else { (VPos::Top, 8 * FINE) };
    let style = font(12.5, &INK).pos(Pos::new(side, edge));
    let dot = EmptyElement::at(point)
        + Circle::new((0, 0), 5 * FINE, ACCENT.filled())
        + plotters::element::Text::new(text.to_owned(), (shift, drop), style);
    panel.draw_series(std::iter::once(dot))?;
    Ok(())
}

/// A font of this size in pixels. The backend writes size / 1.24 into the file, which the factor undoes.
fn font(pixels: f64, colour: &'static RGBColor) -> TextStyle<'static> {
    TextStyle::from(("sans-serif", pixels * 1.24 * f64::from(FINE)).into_font()).color(colour)
}

/// Clips a point to the axes, because an evaluation may come from an untrusted document.
fn inside((x, y): Point, low: f64, high: f64) -> Point {
    let within = |v: f64, low: f64, high: f64| if v.is_nan() { low } else { v.clamp(low, high) };
    (within(x, 0.0, 1.0), within(y, low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_wild_points_stay_inside() {
        let plot = Plot {
            summary: "a \"<b>\"".to_owned(),
            x_label: "<x>",
            y_label: "y",
            curve: &[(f64::NAN, f64::INFINITY), (1e308, -1e308)],
            reference: [(0.0, 0.0), (1.0, 1.0)],
            dots: true,
            highlight: Some(((0.9, 0.1), "<script>".to_owned())),
            height: Height::Share,
        };
        let svg = svg(&plot);
        assert!(svg.starts_with("<svg role=\"img\" aria-label=\"a &quot;&lt;b&gt;&quot;\""), "{svg}");
        assert!(svg.contains("&lt;x&gt;") && svg.contains("&lt;script&gt;") && !svg.contains("<script>"));
        assert!(svg.trim_end().ends_with("</svg>"));
        assert!(!svg.contains("http"));
    }

    #[test]
    fn an_empty_curve_is_an_empty_chart() {
        let (x_label, y_label, reference) = ("x", "y", [(0.0, 0.0), (1.0, 1.0)]);
        let plot = Plot {
            summary: String::new(),
            x_label,
            y_label,
            curve: &[],
            reference,
            dots: false,
            highlight: None,
            height: Height::Money(-1.0, 2.0),
        };
        assert!(svg(&plot).contains("</svg>"));
    }
}
