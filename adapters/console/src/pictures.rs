//! Pictures, which a terminal cannot show: saved as files, and forgotten when they are old.

use std::{fs, io, path::Path, time::Duration};

use chrono::{DateTime, Utc};

/// Removes the pictures that were saved longer ago than `keep`; says how many.
pub(crate) fn forget(folder: &Path, keep: Duration, now: DateTime<Utc>) -> io::Result<usize> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        // Nothing was ever saved.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut gone = 0;
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let saved = DateTime::<Utc>::from(entry.metadata()?.modified()?);
        let age = (now - saved).to_std().unwrap_or_default();
        if path.extension().is_some_and(|extension| extension == "png") && age > keep {
            fs::remove_file(path)?;
            gone += 1;
        }
    }
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_pictures_go_and_nothing_else_does() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["old.png", "notes.txt"] {
            fs::write(folder.path().join(name), b"x").unwrap();
        }
        let saved = fs::metadata(folder.path().join("old.png")).unwrap().modified().unwrap();
        let day = Duration::from_hours(24);
        let at = |later: Duration| DateTime::<Utc>::from(saved + later);
        assert_eq!(forget(folder.path(), day, at(day / 2)).unwrap(), 0);
        assert_eq!(forget(folder.path(), day, at(day * 2)).unwrap(), 1);
        let left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
        assert_eq!(left, ["notes.txt"]);
        assert_eq!(forget(&folder.path().join("never"), day, at(day)).unwrap(), 0);
    }
}
