//! A small array with holes, of which only what is there takes memory.

/// Up to 32 values, with a bit for each that is present.
#[derive(Clone, Debug)]
pub(crate) struct Sparse<T> {
    present: u32,
    values: Vec<T>,
}

impl<T> Sparse<T> {
    pub(crate) const EMPTY: Self = Sparse { present: 0, values: Vec::new() };

    /// One value, in the first slot.
    pub(crate) fn of_first(value: T) -> Self {
        Sparse { present: 1, values: vec![value] }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.present == 0
    }

    /// Where the value of this slot is, or would be inserted.
    fn position(&self, slot: u32) -> (bool, usize) {
        let bit = 1u32 << slot;
        (self.present & bit != 0, (self.present & (bit - 1)).count_ones() as usize)
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&T> {
        let (present, at) = self.position(slot);
        present.then(|| &self.values[at])
    }

    pub(crate) fn insert(&mut self, slot: u32, value: T) -> Option<T> {
        let (present, at) = self.position(slot);
        if present {
            return Some(std::mem::replace(&mut self.values[at], value));
        }
        self.present |= 1 << slot;
        self.values.reserve_exact(1);
        self.values.insert(at, value);
        None
    }

    pub(crate) fn get_or_insert(&mut self, slot: u32, make: impl FnOnce() -> T) -> &mut T {
        let (present, at) = self.position(slot);
        if !present {
            self.insert(slot, make());
        }
        &mut self.values[at]
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut T> {
        let (present, at) = self.position(slot);
        present.then(|| &mut self.values[at])
    }

    pub(crate) fn remove(&mut self, slot: u32) -> Option<T> {
        let (present, at) = self.position(slot);
        present.then(|| {
            self.present &= !(1 << slot);
            self.values.remove(at)
        })
    }

    /// The values in order of their slots.
    pub(crate) fn values(&self) -> &[T] {
        &self.values
    }

    /// The slots that have a value here or there.
    pub(crate) fn slots_with(&self, other: &Self) -> impl Iterator<Item = u32> + use<T> {
        slots(self.present | other.present)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        slots(self.present).zip(&self.values)
    }
}

fn slots(present: u32) -> impl Iterator<Item = u32> {
    (0..u32::BITS).filter(move |slot| present & (1 << slot) != 0)
}
