//! A drawing in SVG: rectangles, lines, text. What is written into it cannot leave its place.
//!
//! Written here because it is so little: a package that draws charts brings ten others with it.

use std::fmt::Write;

/// Where a text stands relative to its point.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Anchor {
    /// It begins there.
    Start,
    /// Its middle is there.
    Middle,
    /// It ends there.
    End,
}

/// A drawing in the making.
#[derive(Clone, Debug)]
pub struct Drawing {
    width: f64,
    height: f64,
    body: String,
}

impl Drawing {
    /// An empty one, on white.
    pub fn new(width: f64, height: f64) -> Drawing {
        Drawing { width, height, body: String::new() }
    }

    /// A filled rectangle with a text that is shown when it is pointed at.
    pub fn bar(&mut self, [x, y, width, height]: [f64; 4], colour: &str, about: &str) {
        let (colour, about) = (escaped(colour), escaped(about));
        let _ = writeln!(
            self.body,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{colour}"><title>{about}</title></rect>"#
        );
    }

    /// A line through some points.
    pub fn line(&mut self, points: &[(f64, f64)], colour: &str, width: f64) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let (points, colour) = (points.join(" "), escaped(colour));
        let _ = writeln!(
            self.body,
            r#"<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}"/>"#
        );
    }

    /// A dot.
    pub fn dot(&mut self, (x, y): (f64, f64), colour: &str, about: &str) {
        let (colour, about) = (escaped(colour), escaped(about));
        let _ = writeln!(
            self.body,
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="3" fill="{colour}"><title>{about}</title></circle>"#
        );
    }

    /// A line of text.
    pub fn text(&mut self, (x, y): (f64, f64), size: f64, anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(text);
        let _ = writeln!(
            self.body,
            r##"<text x="{x:.1}" y="{y:.1}" font-size="{size}" text-anchor="{anchor}" fill="#222">{text}</text>"##
        );
    }

    /// The whole file.
    pub fn finish(self) -> String {
        let Drawing { width, height, body } = self;
        format!(
            concat!(
                r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" "#,
                r#"width="{width:.0}" height="{height:.0}" font-family="sans-serif">"#,
                "\n",
                r##"<rect width="{width:.0}" height="{height:.0}" fill="#fff"/>"##,
                "\n{body}</svg>\n"
            ),
            width = width,
            height = height,
            body = body,
        )
    }
}

/// Text as XML takes it; control characters, which it cannot hold, become spaces.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            letter if letter.is_control() => safe.push(' '),
            letter => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_stays_text() {
        let mut drawing = Drawing::new(10.0, 10.0);
        let name = "</text><script>alert('1')</script>&\"\u{1b}";
        drawing.text((1.0, 2.0), 9.0, Anchor::End, name);
        drawing.bar([0.0; 4], "\"/><x", name);
        drawing.dot((0.0, 0.0), "red", name);
        let file = drawing.finish();
        assert!(!file.contains("<script") && !file.contains("<x") && !file.contains('\u{1b}'), "{file}");
        assert!(file.contains("&lt;/text&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&quot; "), "{file}");
    }

    #[test]
    fn a_drawing_is_one_element_with_its_size() {
        let file = Drawing::new(120.0, 80.0).finish();
        assert!(file.starts_with("<svg ") && file.ends_with("</svg>\n") && file.contains(r#"viewBox="0 0 120 80""#));
    }
}
