//! Where the memory in use was allocated, in the format of `go tool pprof`.

/// Why there is no profile of it, and how there is.
const NOT_SAMPLED: &str = "the allocator does not sample, which would cost every allocation a \
                           little: build the server with --features heap-profiles, and start it \
                           with MALLOC_CONF=prof:true";

/// Has the allocator remember from now on who allocates, if it can: of every 512 KiB one place,
/// which costs next to nothing.
pub async fn sample_memory() {
    #[cfg(feature = "heap-profiles")]
    if let Some(control) = jemalloc_pprof::PROF_CTL.as_ref()
        && let Err(error) = control.lock().await.activate()
    {
        tracing::warn!(%error, "cannot sample where memory is allocated");
    }
}

/// What is in use of all that was allocated since the sampling began. The answer is compressed.
///
/// # Errors
/// Nothing is sampled, or there is no room for the allocator's own file.
#[cfg(feature = "heap-profiles")]
pub(crate) async fn of_memory() -> Result<Vec<u8>, String> {
    let control = jemalloc_pprof::PROF_CTL.as_ref().ok_or(NOT_SAMPLED)?;
    let control = control.clone();
    // Finding the names of functions reads the program's file.
    let build = move || control.blocking_lock().dump_pprof().map_err(|error| format!("{error:#}"));
    tokio::task::spawn_blocking(build).await.expect("it does not panic and is not cancelled")
}

/// There is none in a program without sampling.
///
/// # Errors
/// Always.
#[cfg(not(feature = "heap-profiles"))]
pub(crate) async fn of_memory() -> Result<Vec<u8>, String> {
    Err(NOT_SAMPLED.to_owned())
}
