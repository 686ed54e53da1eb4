"""The networks of the scanpath mixture once more: NumPy, float64, one cell and slot at a time.

Written from what the modules' docstrings say. Parameters are arrays by their names in the state
dict; histories are lists of (x, y) in working pixels, latest first, without missing ones.
"""

import math

import numpy as np


def silu(values):
    return values / (1 + np.exp(-values))


def log_softmax(values):
    highest = values.max()
    return values - highest - math.log(np.exp(values - highest).sum())


def normed(maps, weight, bias):
    """Group normalization with one group: over all channels and cells at once."""
    centered = maps - maps.mean()
    scaled = centered / math.sqrt((centered**2).mean() + 1e-5)
    return scaled * weight[:, None, None] + bias[:, None, None]


def between(values, place):
    """Linear interpolation on the first axis; places count cells from the first one's center."""
    place = min(max(place, 0.0), len(values) - 1.0)
    before = min(int(place), len(values) - 1)
    after = min(before + 1, len(values) - 1)
    return values[before] + (values[after] - values[before]) * (place - before)


def at(grid, x, y, cell_px):
    """Bilinear interpolation of a map (h, w) between the centers of its cells."""
    columns = [between(row, x / cell_px[0] - 0.5) for row in grid]
    return between(np.array(columns), y / cell_px[1] - 0.5)


def upsampled(grid, size):
    (h, w), (height, width) = grid.shape, size
    return np.array(
        [
            [at(grid, (j + 0.5) * w / width, (i + 0.5) * h / height, (1, 1)) for j in range(width)]
            for i in range(height)
        ]
    )


def pooled(log_density, size):
    """Log of each cell's share, where a cell's density is the mean of the cells it touches."""
    (height, width), (h, w) = log_density.shape, size
    means = np.empty(size)
    for i in range(h):
        rows = slice(i * height // h, -(-(i + 1) * height // h))
        for j in range(w):
            columns = slice(j * width // w, -(-(j + 1) * width // w))
            means[i, j] = np.exp(log_density[rows, columns]).mean()
    return np.log(means / means.sum())


def linear(parameters, name, values):
    found = parameters[f"{name}.weight"].reshape(-1, len(values)) @ values
    return found + parameters.get(f"{name}.bias", 0.0)


def next_fixation(p, config, log_density, centerbias, features, stride, history):
    """Log density (u, v) of the next fixation."""
    grid = features.shape[1:]
    features = normed(features, p["norm.weight"], p["norm.bias"])
    content = np.array(
        [[linear(p, "reduce", features[:, i, j]) for j in range(grid[1])] for i in range(grid[0])]
    )
    content = normed(
        silu(content).transpose(2, 0, 1), p["content_norm.weight"], p["content_norm.bias"]
    )
    priority = pooled(log_density, grid)
    looked_at = [
        np.array([at(channel, x, y, (stride, stride)) for channel in content])
        for x, y in history[: config.history]
    ]
    of_history = np.array(_of_history(config, content, history, looked_at))
    scores = np.empty(grid)
    for i in range(grid[0]):
        for j in range(grid[1]):
            here = ((j + 0.5) * stride, (i + 0.5) * stride)
            of_cell = [priority[i, j] / 2 + 3.5]
            center = (grid[1] * stride / 2, grid[0] * stride / 2)
            of_cell += _of_cell(p, config, here, center, content[:, i, j], history, looked_at)
            x = linear(p, "of_cells", np.array(of_cell)) + linear(p, "of_history", of_history)
            if "content" in config.inputs:
                x = x + linear(p, "of_content", content[:, i, j])
            scores[i, j] = linear(p, "out", silu(linear(p, "hidden", silu(x))))[0]
    more_density, more_centerbias = linear(p, "weights", of_history)
    return log_softmax(
        upsampled(scores, log_density.shape)
        + (p["density_weight"] + more_density) * log_density
        + (p["centerbias_weight"] + more_centerbias) * centerbias
    )


def _of_cell(p, config, here, center, content, history, looked_at):
    """What is seen of a place, in units of 100 px, slot after slot; nothing of empty slots."""
    slots = config.history
    last = [((here[0] - x) / 100, (here[1] - y) / 100) for x, y in history[:slots]]
    distances = [math.hypot(*way) for way in last]

    def told(values):
        return [*values, *[0.0] * (slots - len(values))]

    seen = told([dx for dx, _ in last]) + told([dy for _, dy in last]) + told(distances)
    for name in config.inputs:
        if name == "distance":
            seen += told([math.log(d + 0.08) for d in distances])
            for width in (0.16, 0.4, 1.0):
                seen += told([math.exp(-((d / width) ** 2) / 2) for d in distances])
        elif name == "direction":
            seen += _direction(last, distances, history)
        elif name == "place":
            dx, dy = ((here[axis] - center[axis]) / 100 for axis in (0, 1))
            away = math.hypot(dx, dy)
            seen += [dx, dy, away]
            seen += [math.exp(-((away / width) ** 2) / 2) for width in (0.5, 1.0, 2.0)]
        elif name == "return":
            everywhere, earlier = history, history[slots:]
            seen += [_around(here, everywhere, 0.2), _around(here, everywhere, 0.5)]
            seen += [_around(here, earlier, 0.5)]
        elif name == "match":
            for slot in range(slots):
                for way in range(config.matches):
                    known = slot < len(looked_at)
                    to_match = p["to_match"][slot, way]
                    seen.append(looked_at[slot] @ to_match @ content if known else 0.0)
    return seen


def _direction(last, distances, history):
    if len(history) < 2:
        return [0.0] * 5
    dx, dy = ((history[0][axis] - history[1][axis]) / 100 for axis in (0, 1))
    length = math.hypot(dx, dy)
    ahead = (last[0][0] * dx + last[0][1] * dy) / (length + 1e-3)
    cosine = ahead / (distances[0] + 0.05)
    as_far = math.log((distances[0] + 0.08) / (length + 0.08)) ** 2
    return [cosine, cosine**2, ahead, cosine * ahead, as_far]


def _around(here, fixations, width):
    total = 0.0
    for x, y in fixations:
        away = math.hypot(here[0] - x, here[1] - y) / 100
        total += math.exp(-((away / width) ** 2) / 2)
    return total


def _of_history(config, content, history, looked_at):
    seen = [float(slot < len(history)) for slot in range(config.history)]
    for name in config.inputs:
        if name == "direction":
            seen += _last_saccade(history)
        elif name == "order":
            seen += _order(len(history))
        elif name == "content":
            seen += list(looked_at[0]) if looked_at else [0.0] * len(content)
    return seen


def _last_saccade(history):
    if len(history) < 2:
        return [0.0, 0.0, math.log(0.1), 0.0]
    dx, dy = ((history[0][axis] - history[1][axis]) / 100 for axis in (0, 1))
    return [dx, dy, math.log(math.hypot(dx, dy) + 0.1), 1.0]


def _order(before):
    return [float(min(before, 6) == number) for number in range(7)] + [before / 10]


def duration_mixture(p, config, features, log_density, stride, fixation, history, before_ms):
    """Weights, means and deviations of the logarithms; durations before are latest first, too.

    A duration that is not known is NaN.
    """
    x, y = fixation
    features = normed(features, p["norm.weight"], p["norm.bias"])
    here = np.array([at(channel, x, y, (stride, stride)) for channel in features])
    cell_px = stride * features.shape[2] / log_density.shape[1]
    density = at(log_density, x, y, (cell_px, cell_px)) + math.log(8**2 / cell_px**2)
    seen = [*silu(linear(p, "reduce", here)), *_order(len(history)), density / 2 + 7]
    if history:
        length = math.hypot(x - history[0][0], y - history[0][1]) / 100
        seen += [math.log(length + 0.1), 1.0]
    else:
        seen += [0.0, 0.0]
    paces = [0.0 if math.isnan(d) else (math.log(d) - 5.2) / 0.56 for d in before_ms]
    known = sum(not math.isnan(d) for d in before_ms)
    seen += [*paces, 0.0, 0.0][:2]
    seen += [sum(paces) / (known + 1), float(known > 0)]
    found = linear(p, "out", silu(linear(p, "hidden", np.array(seen))))
    weight, mean, deviation = found.reshape(3, config.components)
    spread = 0.56 * np.exp(np.clip(deviation, -3, 1))
    return np.exp(log_softmax(weight)), 5.2 + 0.56 * mean, spread
