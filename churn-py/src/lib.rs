//! The Python module `churn._churn`. Everything here converts, makes one call of the core, and converts; the package
//! `churn` (in `python/`) gives the names out.

mod arrow;
mod classifier;
mod convert;
mod customer;
mod error;
mod events;
mod features;
mod measures;
mod model;
mod results;
mod table;
mod watch;

use pyo3::prelude::*;

#[pymodule]
mod _churn {
    #[pymodule_export]
    use crate::classifier::Classifier;
    #[pymodule_export]
    use crate::events::{Events, read_csv, read_parquet};
    #[pymodule_export]
    use crate::features::{FeatureStream, FeatureTable, Labels, features, labels};
    #[pymodule_export]
    use crate::measures::{
        ContactList, campaign_outcome, compare, contact_list, curve, empc, evaluate, expected_curve, mpc, segment,
        segment_table,
    };
    #[pymodule_export]
    use crate::model::{Model, load, train, train_table};
    #[pymodule_export]
    use crate::results::{Explanation, Predictions};

    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("ERROR_CODES", churn::ErrorKind::ALL.iter().map(|kind| kind.code()).collect::<Vec<_>>())
    }
}
