"""Times as people and Terraform read them. Pure: no clock and no time zone module here."""

from __future__ import annotations


def timestamp(now: float) -> str:
    """RFC 3339 in UTC with microseconds, trailing zeros stripped, as Go prints times."""
    seconds, micros = divmod(round(now * 1_000_000), 1_000_000)
    days, rest = divmod(seconds, 86_400)
    year, month, day = _civil(days)
    fraction = f".{micros:06d}".rstrip("0") if micros else ""
    return f"{year:04d}-{month:02d}-{day:02d}T{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}{fraction}Z"


def _civil(days: int) -> tuple[int, int, int]:
    """The proleptic Gregorian date of a day number since 1970-01-01."""
    shifted = days + 719_468
    era, day_of_era = divmod(shifted, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    moon = (5 * day_of_year + 2) // 153
    month = moon + 3 if moon < 10 else moon - 9
    return year_of_era + era * 400 + (month <= 2), month, day_of_year - (153 * moon + 2) // 5 + 1


def moment(now: float) -> str:
    """As `timestamp`, in whole seconds: for sentences."""
    return timestamp(float(int(now)))
