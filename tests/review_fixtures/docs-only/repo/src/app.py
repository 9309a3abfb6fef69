def main() -> None:
    print("no clouds here")
