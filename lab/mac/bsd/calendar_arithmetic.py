"""What BSD date does with a text and adjustments: `date -j -f FORMAT TEXT -v+1d …`, as seconds.

Run by handlers/date.sh: calendar_arithmetic.py SECONDS|now FORMAT TEXT [ADJUSTMENT…]. Prints
seconds since the epoch; exits 1 for a text that is not of that format, 2 for a wrong adjustment.

Source: apple-oss-distributions/shell_cmds shell_cmds-326 date/date.c, date/vary.c.
"""

import calendar
import re
import sys
import time

ADJUSTMENT = re.compile(r"([+-]?)(\d+)([ymwdHMS])\Z")
NAMES = {
    "month": ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    "day": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"],
}

Fields = list[int]  # year, month, day, hour, minute, second


def parse(form: str, text: str, now: float) -> Fields:
    """Return the fields of `text`; those that `form` does not name keep today's values."""
    current = time.localtime(now)
    parsed = time.strptime(text, form)
    fields = list(current[:6])
    for index, letters in enumerate(["YyCDFcs", "mbBhDFcs", "deDFcsj", "HIkRTcs", "MRTcs", "STcs"]):
        if re.search(f"%[EO]?[{letters}]", form):
            fields[index] = parsed[index]
    return fields


def positional(text: str, now: float) -> Fields:
    """Return the fields of `[[[[mm]dd]HH]MM[[cc]yy][.SS]`, the operand without -f.

    Raises ValueError when it is not of that shape.
    """
    match = re.fullmatch(r"((?:\d\d){1,6})(?:\.(\d\d))?", text)
    if not match:
        raise ValueError(text)
    digits, seconds = match[1], int(match[2] or 0)
    fields = list(time.localtime(now)[:6])
    if len(digits) >= 10:
        tail = digits[8:]
        year = int(tail) if len(tail) == 4 else int(tail) + (2000 if int(tail) < 69 else 1900)
        fields[0], digits = year, digits[:8]
    pairs = [int(digits[i : i + 2]) for i in range(0, len(digits), 2)]
    fields[5 - len(pairs) : 5] = pairs
    fields[5] = seconds
    return fields


def adjust(fields: Fields, word: str) -> Fields:
    """Apply one -v word (`+1d`, `-2m`, `0H`, `fri`…); raise ValueError for a wrong one."""
    match = ADJUSTMENT.match(word)
    if not match:
        return _adjust_by_name(fields, word)
    sign, value, unit = match[1], int(match[2]), match[3]
    fields = list(fields)
    step = -value if sign == "-" else value
    if unit in "ym" and sign:
        months = fields[0] * 12 + fields[1] - 1 + step * (12 if unit == "y" else 1)
        fields[0], fields[1] = divmod(months, 12)
        fields[1] += 1
        fields[2] = min(fields[2], calendar.monthrange(fields[0], fields[1])[1])
    elif sign:
        index, factor = {"w": (2, 7), "d": (2, 1), "H": (3, 1), "M": (4, 1), "S": (5, 1)}[unit]
        fields[index] += step * factor
    elif unit == "w":
        weekday = (value - 1) % 7
        fields[2] += weekday - _weekday(fields)
    else:
        fields["ymdHMS".index(unit)] = value
    return list(time.localtime(seconds(fields))[:6])


def _adjust_by_name(fields: Fields, word: str) -> Fields:
    sign, name = (word[0], word[1:]) if word[:1] in "+-" else ("", word)
    short = name[:3].lower()
    fields = list(fields)
    if short in NAMES["day"]:
        difference = NAMES["day"].index(short) - _weekday(fields)
        fields[2] += difference % 7 if sign == "+" else -(-difference % 7) if sign else difference
    elif short in NAMES["month"]:
        month = NAMES["month"].index(short) + 1
        fields[0] += (sign == "+" and month <= fields[1]) - (sign == "-" and month >= fields[1])
        fields[1] = month
    else:
        raise ValueError(word)
    return list(time.localtime(seconds(fields))[:6])


def _weekday(fields: Fields) -> int:
    return time.localtime(seconds(fields)).tm_wday


def seconds(fields: Fields) -> int:
    """Return local time `fields` as seconds since the epoch; out-of-range fields carry over."""
    year, month, day, hour, minute, second = fields
    return int(time.mktime((year, month, day, hour, minute, second, 0, 0, -1)))


def main(argv: list[str]) -> int:
    """Print the seconds that the words of `argv` (base, format, text, adjustments) come to."""
    base, form, text, *adjustments = argv[1:]
    now = time.time() if base == "now" else float(base)
    fields = list(time.localtime(now)[:6])
    try:
        if text:
            fields = parse(form, text, now) if form else positional(text, now)
    except ValueError:
        using = f" using format ``{form}''" if form else ""
        print(f"date: Failed conversion of ``{text}''{using}", file=sys.stderr)
        return 1
    for word in adjustments:
        try:
            fields = adjust(fields, word)
        except ValueError:
            print(f"{word}: Cannot apply date adjustment", file=sys.stderr)
            return 2
    print(seconds(fields))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
