"""Backbones in PyTorch, written from their papers: the other side of the CPU benchmarks.

Initial values are PyTorch's own; `NETWORKS` has them by our names.
"""

from __future__ import annotations

import torch
from torch import nn


def conv_norm(channels, features, frames=1, stride=1):
    conv = nn.Conv2d(channels, features, (frames, 1), (stride, 1), (frames // 2, 0))
    return nn.Sequential(conv, nn.BatchNorm2d(features))


def shortcut(channels, features, stride=1):
    same = (channels, stride) == (features, 1)
    return nn.Identity() if same else conv_norm(channels, features, stride=stride)


# ------------------------------------------------------------------------------------------ CTR-GCN


class CTRGC(nn.Module):
    def __init__(self, channels, features, reduced):
        super().__init__()
        self.query, self.key = nn.Conv2d(channels, reduced, 1), nn.Conv2d(channels, reduced, 1)
        self.value, self.refine = nn.Conv2d(channels, features, 1), nn.Conv2d(reduced, features, 1)

    def forward(self, x, adjacency, alpha):
        query, key = self.query(x).mean(2), self.key(x).mean(2)
        relation = torch.tanh(query[..., :, None] - key[..., None, :])
        topology = alpha * self.refine(relation) + adjacency
        return torch.einsum("bduv,bdtv->bdtu", topology, self.value(x))


class RefinedGCN(nn.Module):
    def __init__(self, channels, features, adjacency):
        super().__init__()
        reduced = 8 if channels <= 16 else channels // 8
        self.subsets = nn.ModuleList(CTRGC(channels, features, reduced) for _ in adjacency)
        self.adjacency, self.alpha = nn.Parameter(adjacency.clone()), nn.Parameter(torch.zeros(1))
        self.bn, self.down = nn.BatchNorm2d(features), shortcut(channels, features)

    def forward(self, x):
        terms = (s(x, a, self.alpha) for s, a in zip(self.subsets, self.adjacency))
        return torch.relu(self.bn(sum(terms)) + self.down(x))


class FourBranches(nn.Module):
    def __init__(self, features, stride):
        super().__init__()
        width = features // 4

        def opened(*layers):
            return nn.Sequential(
                *conv_norm(features, width), nn.ReLU(), *layers, nn.BatchNorm2d(width)
            )

        def temporal(d):
            return nn.Conv2d(width, width, (5, 1), (stride, 1), (2 * d, 0), (d, 1))

        pool = nn.MaxPool2d((3, 1), (stride, 1), (1, 0))
        self.branches = nn.ModuleList([opened(temporal(1)), opened(temporal(2)), opened(pool)])
        self.branches.append(conv_norm(features, width, stride=stride))

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


# -------------------------------------------------------------------------------- ST-GCN, ST-GCN++


class WeighedGCN(nn.Module):
    """ST-GCN: a fixed graph times the learned importance of its edges."""

    residual = False

    def __init__(self, channels, features, adjacency):
        super().__init__()
        self.register_buffer("fixed", adjacency)
        self.learned = nn.Parameter(torch.ones_like(adjacency))
        self.conv = nn.Conv2d(channels, len(adjacency) * features, 1)
        self.bn = nn.BatchNorm2d(features)
        self.down = shortcut(channels, features) if self.residual else None

    def graph(self):
        return self.fixed * self.learned

    def forward(self, x):
        graph = self.graph()
        n, _, t, v = x.shape
        y = self.conv(x).reshape(n, len(graph), -1, t, v)
        y = self.bn(torch.einsum("nkctv,kvw->nctw", y, graph).contiguous())
        return torch.relu(y if self.down is None else y + self.down(x))


class FreeGCN(WeighedGCN):
    """ST-GCN++: the graph is learned, and the unit has a residual of its own."""

    residual = True

    def graph(self):
        return self.learned


class SixBranches(nn.Module):
    def __init__(self, features, stride):
        super().__init__()
        narrow = features // 6
        first = features - 5 * narrow

        def opened(width, layer):
            return nn.Sequential(*conv_norm(features, width), nn.ReLU(), layer)

        def temporal(width, d):
            return opened(width, nn.Conv2d(width, width, (3, 1), (stride, 1), (d, 0), (d, 1)))

        self.branches = nn.ModuleList(
            [temporal(narrow if d > 1 else first, d) for d in (1, 2, 3, 4)]
            + [opened(narrow, nn.MaxPool2d((3, 1), (stride, 1), (1, 0)))]
            + [nn.Conv2d(features, narrow, 1, (stride, 1))]
        )
        self.join = nn.Sequential(nn.BatchNorm2d(features), nn.ReLU())
        self.mix = conv_norm(features, features)

    def forward(self, x):
        return self.mix(self.join(torch.cat([branch(x) for branch in self.branches], 1)))


# -------------------------------------------------------------------------------------------- AAGCN


class AdaptiveGCN(nn.Module):
    def __init__(self, channels, features, adjacency):
        super().__init__()
        k, joints = len(adjacency), adjacency.shape[-1]
        self.theta = nn.Conv2d(channels, k * (features // 4), 1)
        self.phi = nn.Conv2d(channels, k * (features // 4), 1)
        self.values = nn.ModuleList(nn.Conv2d(channels, features, 1) for _ in adjacency)
        self.adjacency, self.alpha = nn.Parameter(adjacency.clone()), nn.Parameter(torch.zeros(1))
        self.bn, self.down = nn.BatchNorm2d(features), shortcut(channels, features)
        size = joints if joints % 2 else joints - 1
        self.spatial = nn.Conv1d(features, 1, size, padding=size // 2)
        self.temporal = nn.Conv1d(features, 1, 9, padding=4)
        self.squeeze = nn.Linear(features, features // 2)
        self.excite = nn.Linear(features // 2, features)

    def forward(self, x):
        n, c, t, v = x.shape
        k = len(self.values)
        theta = self.theta(x).reshape(n, k, -1, v)
        alike = torch.tanh(
            theta.transpose(2, 3) @ self.phi(x).reshape(theta.shape) / theta.shape[2]
        )
        graph = self.adjacency + self.alpha * alike
        flat = x.reshape(n, c * t, v)
        terms = (w(flat.matmul(graph[:, i]).reshape(x.shape)) for i, w in enumerate(self.values))
        y = torch.relu(self.bn(sum(terms)) + self.down(x))
        y = y + y * self.spatial(y.mean(2)).sigmoid()[:, :, None, :]
        y = y + y * self.temporal(y.mean(3)).sigmoid()[..., None]
        channel = self.excite(torch.relu(self.squeeze(y.mean((2, 3))))).sigmoid()
        return y + y * channel[..., None, None]


# -------------------------------------------------------------------------------------------- shell


class Block(nn.Module):
    def __init__(self, gcn, tcn, residual):
        super().__init__()
        self.gcn, self.tcn, self.residual = gcn, tcn, residual

    def forward(self, x):
        y = self.tcn(self.gcn(x))
        return torch.relu(y if self.residual is None else y + self.residual(x))


class Network(nn.Module):
    """(N, M, T, V, C) -> logits (N, K): ten blocks of `gcn` and `tcn`; `adjacency` (3, V, V).

    Args:
      shared: the norm of the input is one for all persons.
    """

    def __init__(self, gcn, tcn, shared, adjacency, num_person, num_classes, channels=3):
        super().__init__()
        self.persons = 1 if shared else num_person
        self.data_bn = nn.BatchNorm1d(self.persons * adjacency.shape[-1] * channels)
        widths, blocks = [64] * 4 + [128] * 3 + [256] * 3, []
        for i, width in enumerate(widths):
            stride = 2 if i in (4, 7) else 1
            around = shortcut(channels, width, stride) if i else None
            blocks.append(Block(gcn(channels, width, adjacency), tcn(width, stride), around))
            channels = width
        self.blocks, self.fc = nn.Sequential(*blocks), nn.Linear(channels, num_classes)

    def forward(self, x):
        n, m, t, v, c = x.shape
        normed = self.data_bn(x.permute(0, 1, 3, 4, 2).reshape(-1, self.persons * v * c, t))
        x = normed.reshape(n, m, v, c, t).permute(0, 1, 3, 4, 2).reshape(n * m, c, t, v)
        return self.fc(self.blocks(x).reshape(n, m, -1, (t + 3) // 4 * v).mean((1, 3)))


def nine_frames(features, stride):
    return conv_norm(features, features, 9, stride)


NETWORKS = {
    "ctrgcn": (RefinedGCN, FourBranches, False),
    "stgcn": (WeighedGCN, nine_frames, True),
    "stgcnpp": (FreeGCN, SixBranches, True),
    "aagcn": (AdaptiveGCN, nine_frames, False),
}
