//! Members come and go while the cluster runs, and nothing that was acknowledged is lost.

mod newcomer;
mod growth;
mod joins;
mod learners;
mod departures;
mod places;
mod solitude;
