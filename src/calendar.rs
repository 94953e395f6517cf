//! Days as dates.

/// Year, month and day of a number of days since the Unix epoch.
///
/// Years are counted from March, so that the leap day comes last; 400 years have 146,097 days.
pub(crate) fn civil(days: u64) -> (u64, u64, u64) {
    // 0000-03-01 lies 719,468 days before the epoch.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // From March on, five months in a row have 153 days together.
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}
