"""What the Python rows run: a name and how often; prints what every Python must."""
import sys


def nbody():
    bodies = [[i * 1.3, i * i * 0.7, 3 - i * 0.9, 0.0, 0.0, 0.0, 1.0 / (i + 1)] for i in range(5)]
    for _ in range(2000):
        for i, a in enumerate(bodies):
            for b in bodies[i + 1:]:
                dx, dy, dz = a[0] - b[0], a[1] - b[1], a[2] - b[2]
                square = dx * dx + dy * dy + dz * dz + 0.01
                pull = 0.001 / (square * square ** 0.5)
                a[3] -= dx * b[6] * pull
                a[4] -= dy * b[6] * pull
                a[5] -= dz * b[6] * pull
                b[3] += dx * a[6] * pull
                b[4] += dy * a[6] * pull
                b[5] += dz * a[6] * pull
        for a in bodies:
            a[0] += a[3] * 0.001
            a[1] += a[4] * 0.001
            a[2] += a[5] * 0.001
    return [repr(value) for value in bodies[0]]


def fannkuch(n=8):
    count, most, check, odd = list(range(1, n + 1)), 0, 0, False
    first, size = list(range(n)), n
    while True:
        if first[0] != 0:
            turned, flips = first[:], 0
            while turned[0] != 0:
                top = turned[0] + 1
                turned[:top] = turned[:top][::-1]
                flips += 1
            most = max(most, flips)
            check += -flips if odd else flips
        if not odd:
            first[0], first[1] = first[1], first[0]
            odd = True
            continue
        first[1], first[2] = first[2], first[1]
        odd = False
        size = 2
        count[size] -= 1
        while count[size] == 0:
            count[size] = size + 1
            size += 1
            if size == n:
                return most, check
            first.insert(size, first.pop(0))
            count[size] -= 1


class Account:
    def __init__(self, number):
        self.number, self.balance, self.history = number, 0, []

    def book(self, amount):
        if self.balance + amount < 0:
            raise ValueError(self.number)
        self.balance += amount
        self.history.append(amount)


def objects():
    accounts, refused, seed = [Account(n) for n in range(100)], 0, 1
    for _ in range(40000):
        seed = (seed * 1103515245 + 12345) % 2 ** 31
        try:
            accounts[seed % 100].book(seed // 1000 % 200 - 90)
        except ValueError:
            refused += 1
    return refused, sum(account.balance for account in accounts), max(len(account.history) for account in accounts)


def text():
    with open('/data/text') as file:
        return file.read(600000)


def words():
    counts = {}
    for word in text().split():
        counts[word] = counts.get(word, 0) + 1
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ' '.join(f'{word}={count}' for word, count in ranked[:40]), len(ranked)


def regex():
    import re
    found = re.findall(r'\b([a-z]+)(?:ing|ed|s) (?=[a-m])', text())
    return len(found), len(re.sub(r'[aeiou]{2,}', '-', text()))


for _ in range(int(sys.argv[2])):
    print(globals()[sys.argv[1]]())
