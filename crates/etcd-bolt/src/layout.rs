//! A file's outline, known before its contents are written.

use std::io::Write;

use crate::meta::Meta;
use crate::page::PAGE_SIZE;
use crate::tree::Pages;
use crate::{BoltWriter, Error};

/// The first page after the two metas.
const FIRST_PAGE: u64 = 2;

/// Where a file's tree begins and how long the file is. A file begins with this, so its contents are
/// gone through twice: once to measure, once to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    root: u64,
    pages: u64,
}

impl Layout {
    /// Finds the layout of what `fill` puts into a file.
    ///
    /// # Errors
    /// Those of `fill`, and those of [`BoltWriter`].
    pub fn measure<E: From<Error>>(
        fill: impl FnOnce(&mut BoltWriter<'_>) -> Result<(), E>,
    ) -> Result<Layout, E> {
        run(&mut std::io::sink(), fill)
    }

    /// The size of the file in bytes.
    pub fn byte_size(self) -> u64 {
        self.pages * PAGE_SIZE as u64
    }

    /// Writes the whole file front to back. `fill` must put the same into it as was measured.
    ///
    /// # Errors
    /// `Changed` when it did not: what was written is no such file then. Those of `fill`, and those
    /// of [`BoltWriter`].
    pub fn write<E: From<Error>>(
        self,
        sink: &mut dyn Write,
        fill: impl FnOnce(&mut BoltWriter<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        for (id, transaction) in [(0, 1), (1, 0)] {
            let page_size = u32::try_from(PAGE_SIZE).expect("it is small");
            let meta = Meta { page_size, root: self.root, pages: self.pages, transaction };
            sink.write_all(&meta.encode_page(id)).map_err(Error::from)?;
        }
        if run(sink, fill)? != self {
            return Err(Error::Changed.into());
        }
        Ok(())
    }
}

fn run<E: From<Error>>(
    sink: &mut dyn Write,
    fill: impl FnOnce(&mut BoltWriter<'_>) -> Result<(), E>,
) -> Result<Layout, E> {
    let mut writer = BoltWriter::new(Pages::new(sink, FIRST_PAGE));
    fill(&mut writer)?;
    let (root, pages) = writer.finish()?;
    Ok(Layout { root, pages })
}
