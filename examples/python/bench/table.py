"""The results as Markdown, and whether the bars are reached."""


def seconds(value):
    for unit, size in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-9:.3g} ns"


def megabytes(value):
    return f"{value:.0f} MB"


def fastest(result):
    peers = {name: figures for name, figures in result["figures"].items() if not name.startswith("ours")}
    return min(peers, key=lambda name: peers[name]["seconds"]) if peers else None


def bars(result):
    """What is to be reached, what was, and whether it is enough: one or more of them."""
    ours, peer = result["figures"]["ours"], fastest(result)
    for kind, bound in result["bars"].items():
        if kind == "times":
            ratio = result["figures"][peer]["seconds"] / ours["seconds"]
            yield f"≥ {bound:g} × the fastest peer", f"{ratio:.2f} × {peer}", ratio >= bound
        elif kind.startswith("times "):
            name = kind.removeprefix("times ")
            ratio = result["figures"][name]["seconds"] / ours["seconds"]
            yield f"≥ {bound:g} × {name}", f"{ratio:.2f} ×", ratio >= bound
        elif kind == "peak":
            smallest = min(figures["peak_mb"] for name, figures in result["figures"].items() if not name.startswith("ours"))
            ratio = ours["peak_mb"] / smallest
            yield f"peak ≤ {bound:g} of the smallest", f"{ratio:.2f}", ratio <= bound
        elif kind == "ordered":
            ratio = ours["seconds"] / result["figures"]["ours, ordered rows"]["seconds"]
            yield f"≤ {bound:g} × rows ordered by date", f"{ratio:.2f} ×", ratio <= bound
        elif kind == "megabytes":
            yield f"peak ≤ {bound:g} MB", megabytes(ours["peak_mb"]), ours["peak_mb"] <= bound
        elif kind == "microseconds":
            yield f"≤ {bound:g} µs", seconds(ours["seconds"]), ours["seconds"] * 1e6 <= bound
        elif kind == "python times":
            ratio = result["figures"]["ours, Python"]["seconds"] / ours["seconds"]
            yield f"from Python ≤ {bound:g} × the time in Rust", f"{ratio:.2f} ×", ratio <= bound
        elif kind == "beyond":
            rise = result["figures"]["ours, Python"].get("beyond_mb")
            if rise is not None:
                yield f"from Python ≤ {bound:g} MB beyond the frame", megabytes(rise), rise <= bound
        elif kind == "microseconds from Python":
            time = result["figures"]["ours, Python"]["seconds"]
            yield f"≤ {bound:g} µs from Python", seconds(time), time * 1e6 <= bound
        else:
            raise ValueError(kind)


def compared(results):
    """Bars between two of our own results: work, what is to be reached, what was, whether it is enough."""
    by_label = {(r["label"], r["one_core"]): r["figures"]["ours"]["seconds"] for r in results}
    rows = next((r for r in results if r.get("rows") and not r["label"].startswith("100 M")), {}).get("rows")
    for (label, one_core), time in by_label.items():
        cores = "one core" if one_core else "all cores"
        alone = by_label.get((label, True))
        if not one_core and alone and label == "CSV, shuffled → rfm":
            yield f"{label} ({cores})", "≥ 1.7 × one core", f"{alone / time:.2f} ×", alone / time >= 1.7
        small = by_label.get(("CSV, shuffled → rfm", one_core))
        if label.startswith("100 M") and small:
            ratio = time / 1e8 / (small / rows)
            yield f"{label} ({cores})", "time a row ≤ 1.5 × that of the smaller log", f"{ratio:.2f} ×", ratio <= 1.5


def nearest(result):
    """The answers of the fastest peer that is to give ours: CatBoost's own trees are symmetric, another learner."""
    figures, answers = result["figures"], result["answers"]
    alike = [name for name in answers if name != "CatBoost" and not name.startswith("ours")]
    return answers[min(alike, key=lambda name: figures[name]["seconds"])] if alike else None


def markdown(results, machine):
    lines = [*(f"{key}: {value}  " for key, value in machine.items()), ""]
    lines += ["| work | cores | bar | reached | | from Python | answers |", "|---|---|---|---|---|---|---|"]
    for result in results:
        answers = nearest(result)
        for bar, value, reached in bars(result):
            good = reached and (not answers or answers["agrees"])
            said = f"{'agree' if answers['agrees'] else 'DIFFER'}: {answers['difference']}" if answers else ""
            row = [result["label"], cores(result), bar, value, "yes" if good else "NO", from_python(result), said]
            lines.append(f"| {' | '.join(row)} |")
    for label, bar, value, reached in compared(results):
        lines.append(f"| {label} | | {bar} | {value} | {'yes' if reached else 'NO'} | | |")
    lines += ["", "| work | cores | who | time | ours is faster | CPU | peak memory | runs | answers |", "|---|---|---|---|---|---|---|---|---|"]
    for result in results:
        ours = result["figures"]["ours"]["seconds"]
        for name, figures in result["figures"].items():
            answers = result["answers"].get(name)
            said = answers["difference"] if answers else ""
            ratio = "" if name.startswith("ours") else f"{figures['seconds'] / ours:.2f} ×"
            lines.append(
                f"| {result['label']} | {cores(result)} | {name} | {seconds(figures['seconds'])} | {ratio} | "
                f"{seconds(figures['cpu_seconds'])} | {megabytes(figures['peak_mb'])} | {figures['runs']} | {said} |")
    return "\n".join(lines) + "\n"


def from_python(result):
    """The time of the same work through our Python package, and as a multiple of that in Rust."""
    time = result["figures"].get("ours, Python", {}).get("seconds")
    return f"{seconds(time)}, {time / result['figures']['ours']['seconds']:.2f} ×" if time else ""


def cores(result):
    return "one" if result["one_core"] else "all"
