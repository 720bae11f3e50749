//! What all measurements came to, as one table.

/// One figure beside its yardstick.
pub(crate) struct Row {
    /// What was measured.
    pub(crate) figure: String,
    /// What it came to, with its unit.
    pub(crate) value: String,
    /// What it is measured against, and what that came to.
    pub(crate) yardstick: String,
    /// The value by the yardstick's; none where there is nothing to divide by.
    pub(crate) ratio: Option<f64>,
    /// What is to be reached, as a ratio unless it says another unit.
    pub(crate) reach: &'static str,
    /// What is aimed at.
    pub(crate) aim: &'static str,
}

/// Prints the rows in Markdown.
pub(crate) fn print(rows: &[Row]) {
    println!("\n| figure | value | yardstick | ratio | reach | aim |\n|---|---|---|---|---|---|");
    for row in rows {
        let ratio = row.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        let Row {
            figure,
            value,
            yardstick,
            reach,
            aim,
            ..
        } = row;
        println!("| {figure} | {value} | {yardstick} | {ratio} | {reach} | {aim} |");
    }
}
