//! `/metrics`: what is counted there is what was done, under etcd's names.

mod load;
mod counts;
mod cluster;
mod names;
mod streams;
