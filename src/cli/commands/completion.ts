import { defineCommand } from "../command.ts";

const shells = ["bash", "zsh", "fish"] as const;

export const command = defineCommand({
  name: "completion",
  summary: "print a completion script for a shell",
  description: "Prints a script that teaches a shell to complete commands, flags and values of flags.",
  examples: [
    { about: "For this bash, and for each new one", command: "echo 'source <(trust completion bash)' >> ~/.bashrc" },
    { about: "For zsh", command: "echo 'source <(trust completion zsh)' >> ~/.zshrc" },
    { about: "For fish", command: "trust completion fish > ~/.config/fish/completions/trust.fish" },
  ],
  arguments: { shell: { summary: "the shell", choices: shells } },
  options: {},
  async run({ io }, { shell }) {
    const { completionNodes } = await import("../completion/nodes.ts");
    const nodes = await completionNodes();
    io.stdout.write((await scripts[shell]())(nodes));
    return 0;
  },
});

const scripts = {
  bash: async () => (await import("../completion/bash.ts")).bashScript,
  zsh: async () => (await import("../completion/zsh.ts")).zshScript,
  fish: async () => (await import("../completion/fish.ts")).fishScript,
} as const;
