"""What `results/<stage>_attacks.json` may say."""

from sparsefront.results.entry import Entry


def checked_about(about: Entry) -> Entry:
    """`about` itself, if whatever it says is of the kind that tables and pages expect; more may be there.

    Raises:
        ValueError: a value of another kind; it names the file and the key.
    """
    about.at("system").text()
    about.at("data").text()
    about.at("attacks").parts()
    for key in ("stage", "machine", "command", "samples_sha256"):
        if (part := about.get(key)) is not None:
            part.text()
    for key in ("cascade", "time_budget_reached", "whole"):
        if (part := about.get(key)) is not None:
            part.flag()
    for key, least in (("epoch", 0), ("n_samples", 1)):
        if (part := about.get(key)) is not None:
            part.count(least)
    if (budget := about.get("time_budget")) is not None:
        budget.number(0)
    elif (late := about.get("time_budget_reached")) is not None and late.flag():
        about.at("time_budget").number(0)
    if (versions := about.get("versions")) is not None:
        for name in versions.mapping():
            versions.at(name).text()
    for sign in (about.get("diagnostics") or Entry([], about.path, about.mend)).parts():
        for key in ("flag", "adversary", "sentence"):
            sign.at(key).text()
        sign.at("raised").flag()
    return about
