//! Walking with missing values, and telling what each metric did: one step at a time, both ways
//! where a value is missing.

use super::tree::{Cut, LEVELS, Place, Tree};

/// The length of the path of a row through a tree; where a value is missing the mean of both ways,
/// weighted by the rows of the sample that went there (as Quinlan's C4.5 does, 1993).
pub(super) fn length(tree: &Tree, row: &[f32]) -> f32 {
    let mut length = 0.0;
    visit(tree, row, |place, weight, step| {
        if step.is_none() {
            length += weight * place.length();
        }
    });
    length
}

/// Adds to each metric what its cuts in this tree saved the row, as `Forest::attribution` says.
pub(super) fn add_savings(tree: &Tree, row: &[f32], savings: &mut [f32]) {
    visit(tree, row, |place, weight, step| {
        let Some((cut, shares)) = step else { return };
        for (below, share) in cut.below.iter().zip(shares) {
            savings[usize::from(cut.metric)] +=
                weight * share * (tree.mean(place) - tree.mean(*below));
        }
    });
}

/// Looks at each place a row comes to, with the share of the row that does and, where it goes on,
/// the cut there and the shares that go to its two sides.
fn visit(tree: &Tree, row: &[f32], mut look: impl FnMut(Place, f32, Option<(Cut, [f32; 2])>)) {
    // One place waits on each level at most, and two on the last.
    let mut waiting = [(tree.top(), 1.0); LEVELS as usize + 1];
    let mut count = 1;
    while count > 0 {
        count -= 1;
        let (place, weight) = waiting[count];
        let step = tree.at(place).map(|cut| {
            let value = row.get(usize::from(cut.metric)).copied().unwrap_or(f32::NAN);
            let first = if value.is_nan() {
                f32::from(cut.below[0].rows) / f32::from(place.rows)
            } else {
                f32::from(u8::from(value <= cut.threshold))
            };
            (cut, [first, 1.0 - first])
        });
        if let Some((cut, shares)) = &step {
            for (below, share) in cut.below.iter().zip(shares) {
                if *share > 0.0 {
                    waiting[count] = (*below, weight * share);
                    count += 1;
                }
            }
        }
        look(place, weight, step);
    }
}
