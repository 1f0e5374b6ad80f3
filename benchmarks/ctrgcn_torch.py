"""CTR-GCN in PyTorch, written from the paper: the other side of ctrgcn_cpu.py's comparison."""

from __future__ import annotations

import torch
from torch import nn


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


class GCN(nn.Module):
    def __init__(self, channels, features, adjacency):
        super().__init__()
        reduced = 8 if channels <= 16 else channels // 8
        self.subsets = nn.ModuleList(CTRGC(channels, features, reduced) for _ in adjacency)
        self.adjacency, self.alpha = nn.Parameter(adjacency.clone()), nn.Parameter(torch.zeros(1))
        self.bn, self.down = nn.BatchNorm2d(features), nn.Identity()
        if channels != features:
            self.down = nn.Sequential(nn.Conv2d(channels, features, 1), nn.BatchNorm2d(features))

    def forward(self, x):
        terms = (s(x, a, self.alpha) for s, a in zip(self.subsets, self.adjacency))
        return torch.relu(self.bn(sum(terms)) + self.down(x))


class TCN(nn.Module):
    def __init__(self, features, stride):
        super().__init__()
        width = features // 4

        def opened(*layers):
            first = nn.Conv2d(features, width, 1), nn.BatchNorm2d(width), nn.ReLU()
            return nn.Sequential(*first, *layers, nn.BatchNorm2d(width))

        def temporal(d):
            return nn.Conv2d(width, width, (5, 1), (stride, 1), (2 * d, 0), (d, 1))

        pool = nn.MaxPool2d((3, 1), (stride, 1), (1, 0))
        direct = nn.Conv2d(features, width, 1, (stride, 1))
        self.branches = nn.ModuleList([opened(temporal(1)), opened(temporal(2)), opened(pool)])
        self.branches.append(nn.Sequential(direct, nn.BatchNorm2d(width)))

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


class Block(nn.Module):
    def __init__(self, channels, features, adjacency, stride, residual):
        super().__init__()
        self.gcn, self.tcn = GCN(channels, features, adjacency), TCN(features, stride)
        self.shortcut = nn.Identity() if residual else None
        if residual and (channels, stride) != (features, 1):
            conv = nn.Conv2d(channels, features, 1, (stride, 1))
            self.shortcut = nn.Sequential(conv, nn.BatchNorm2d(features))

    def forward(self, x):
        y = self.tcn(self.gcn(x))
        return torch.relu(y if self.shortcut is None else y + self.shortcut(x))


class CTRGCN(nn.Module):
    """(N, M, T, V, C) -> logits (N, K); `adjacency` (3, V, V)."""

    def __init__(self, adjacency, num_person, num_classes, channels=3):
        super().__init__()
        self.data_bn = nn.BatchNorm1d(num_person * adjacency.shape[-1] * channels)
        widths, blocks = [64] * 4 + [128] * 3 + [256] * 3, []
        for i, width in enumerate(widths):
            blocks.append(Block(channels, width, adjacency, 2 if i in (4, 7) else 1, i > 0))
            channels = width
        self.blocks, self.fc = nn.Sequential(*blocks), nn.Linear(channels, num_classes)

    def forward(self, x):
        n, m, t, v, c = x.shape
        x = self.data_bn(x.permute(0, 1, 3, 4, 2).reshape(n, m * v * c, t))
        x = x.reshape(n, m, v, c, t).permute(0, 1, 3, 4, 2).reshape(n * m, c, t, v)
        return self.fc(self.blocks(x).reshape(n, m, -1, (t + 3) // 4 * v).mean((1, 3)))
