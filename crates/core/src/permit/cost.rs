//! What workers cost, and may cost.

/// Money that was spent and that running workers may spend, in US dollars.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct CostBudget {
    limit: Option<f64>,
    spent: f64,
    reserved: f64,
}

impl CostBudget {
    pub(super) const fn new(limit: Option<f64>) -> Self {
        Self { limit, spent: 0.0, reserved: 0.0 }
    }

    /// Whether a job that expects to cost `hint` may start. One that says nothing may as long as something is
    /// left.
    pub(super) fn allows(&self, hint: Option<f64>) -> bool {
        let Some(limit) = self.limit else { return true };
        let taken = self.spent + self.reserved;
        hint.map_or(taken < limit, |hint| taken + sane(hint) <= limit)
    }

    pub(super) fn reserve(&mut self, hint: Option<f64>) {
        self.reserved += hint.map_or(0.0, sane);
    }

    /// A job that reserved `hint` has ended and cost `reported`; what it expected when it cannot say, and
    /// nothing when it never ran.
    pub(super) fn settle(&mut self, hint: Option<f64>, ran: bool, reported: Option<f64>) {
        self.reserved = (self.reserved - hint.map_or(0.0, sane)).max(0.0);
        if ran {
            self.spent += reported.or(hint).map_or(0.0, sane);
        }
    }
}

/// A number of the wire as an amount; what is no amount is none.
const fn sane(amount: f64) -> f64 {
    if amount.is_finite() { amount.max(0.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_spent_stays_spent() {
        let mut budget = CostBudget::new(Some(1.0));
        assert!(budget.allows(Some(1.0)) && !budget.allows(Some(1.1)) && budget.allows(None));
        budget.reserve(Some(0.6));
        assert!(!budget.allows(Some(0.5)) && budget.allows(Some(0.4)));
        budget.settle(Some(0.6), true, Some(0.2));
        assert!(budget.allows(Some(0.8)) && !budget.allows(Some(0.9)));
        budget.reserve(Some(0.8));
        budget.settle(Some(0.8), false, None);
        assert!(budget.allows(Some(0.8)), "what never ran costs nothing");
        budget.reserve(Some(0.8));
        budget.settle(Some(0.8), true, None);
        assert!(!budget.allows(None) && !budget.allows(Some(0.1)));
        assert!(CostBudget::new(None).allows(Some(f64::MAX)));
    }
}
